// SPDX-License-Identifier: Apache-2.0
// The end of the system: file systems and swap let go, then the kernel is told.
#pragma once

#include "power.h"

// What is left to do when the services have ended: ends all processes, lets go of swap and file systems in a child with a
// deadline, and tells the kernel. Does not return, unless the kernel refuses.
void shutdown_finish(const struct guest *g, enum power_action action);

// The part of it that lets go: swap off, everything unmounted that can be; what cannot is made read-only and named in the log.
void shutdown_release(void);

// The mount points of a mountinfo text that are to be unmounted, in that order: the latest first, those that PID 1 needs to the
// end (/, /proc, /sys, /dev, /run and what holds the root) left out.
void shutdown_plan(const char *mountinfo, struct strv *ret);
