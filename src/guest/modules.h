// SPDX-License-Identifier: Apache-2.0
// Kernel modules: those the hardware asks for, those that are always wanted, and those of what is plugged in later.
#pragma once

#include "guest.h"
#include "lib/strv.h"

#define MODULES_NOTE GUEST_RUN "/modules-loaded" // there when modules_for_hardware is over
#define MODULES_WANTED_NOTE GUEST_RUN "/modules-wanted" // made by who cannot go on without all drivers

// Loads the modules for the disks of the virtual machine's own bus (virtio), and for their file system: the way to the engine leads
// over the data disk.
int modules_for_disks(struct guest *g, struct error *err) MUST_CHECK;
// Step: loads the modules for all other devices of that bus, for its firmware files, for network cards and for the power button: what
// most machines need besides.
int modules_for_virtio(struct guest *g, struct error *err) MUST_CHECK;
// Step: loads the modules for all devices there are; again for the devices that appeared by it, a few times at most. Loading is
// work that the engine's start would have to share the processors with: unless MODULES_WANTED_NOTE is there, it begins when the
// engine answers, 20 s later at most.
int modules_for_hardware(struct guest *g, struct error *err) MUST_CHECK;
// Step: loads the modules listed in /etc/modules-load.d/*.conf (one a line, # comments), so that Docker finds them loaded.
int modules_wanted(struct guest *g, struct error *err) MUST_CHECK;

// Collects the aliases that the devices below ROOT/sys ask for and that are not in `seen` yet: into both lists.
void modules_scan(const struct guest *g, struct strv *seen, struct strv *ret_new);
// Whether this is an alias that modprobe may get: printable, no blanks, not an option.
bool modules_is_alias(const char *text);
// Takes those names away that are built into the running kernel: for them modprobe would be started for nothing.
void modules_drop_builtin(const struct guest *g, struct strv *names);
// One modprobe for all of them; what has no module is not an error.
int modules_load(const struct strv *aliases, struct error *err) MUST_CHECK;
