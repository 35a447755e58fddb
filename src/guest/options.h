// SPDX-License-Identifier: Apache-2.0
// The `boot2docker.` options of the kernel command line; doc/kernel-options.md tells people of them.
#pragma once

#include <stdbool.h>

struct options {
	bool debug; // boot2docker.debug: log more
	bool rescue; // boot2docker.rescue: a root shell on the console instead of the boot
	bool nodisk; // boot2docker.nodisk: leave all disks alone and run from RAM
	bool template; // boot2docker.template: wait, with the engine running, for the machine that is born from this one
	bool install; // boot2docker.install: make the data partition behind the boot image, on the disk that holds it
};

// Reads a kernel command line. Words that are not ours are the kernel's; ours that are unknown or malformed are logged.
void options_parse(const char *cmdline, struct options *ret);
