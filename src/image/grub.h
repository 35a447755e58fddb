// SPDX-License-Identifier: Apache-2.0
// GRUB for UEFI, made of what booting our ISO takes.
#pragma once

#include "image/packages.h"

#include <stdint.h>

#define GRUB_PACKAGE "grub-efi-amd64-bin"
#define GRUB_FOLDER "boot/grub" // of the ISO: its grub.cfg, and below x86_64-efi its modules

struct grub_spec {
	const struct package *package; // GRUB_PACKAGE
	const char *work; // a folder for what the package has
	int64_t epoch; // the time of the ISO's making, by which it is found
	const char *core; // the result: the program that firmware starts
	const char *modules; // the result: a folder for what the core loads, GRUB_FOLDER "/x86_64-efi" of the ISO
};

// Makes the core, by the host's grub-mkimage, and its modules, packed by the host's xz. The core finds the ISO and goes on with
// grub.cfg there.
int grub_make(const struct grub_spec *spec, struct error *err) MUST_CHECK;
