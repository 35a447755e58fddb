// SPDX-License-Identifier: Apache-2.0
// The file systems that every boot has: the kernel's own, and those for what is only in memory.
#pragma once

#include "guest.h"

// Step: /proc, /sys, /dev and /run, in the initramfs; opens the boot log, reads the kernel command line.
int mounts_kernel(struct guest *g, struct error *err) MUST_CHECK;
// Step: the rest, in the real root: /dev/pts, /dev/shm, the cgroups with all controllers delegated; the default host name.
int mounts_rest(struct guest *g, struct error *err) MUST_CHECK;
