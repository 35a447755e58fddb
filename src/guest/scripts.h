// SPDX-License-Identifier: Apache-2.0
// The user's scripts around the engine: /var/lib/boot2docker/bootsync.sh and bootlocal.sh.
#pragma once

#include "guest.h"

// Step: bootsync.sh, before the engine; waited for, never killed. Each line that it prints is in the boot log, also what a program
// prints that it leaves running.
int scripts_bootsync(struct guest *g, struct error *err) MUST_CHECK;
// Step: bootlocal.sh, after the engine has started; what it prints is in /var/log/bootlocal.log.
int scripts_bootlocal(struct guest *g, struct error *err) MUST_CHECK;
