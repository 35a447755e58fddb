// SPDX-License-Identifier: Apache-2.0
// GRUB for UEFI, made of what booting our ISO takes.
#pragma once

#include "image/packages.h"

#include <stdint.h>

#define GRUB_PACKAGE "grub-efi-amd64-bin"

// Makes the program that firmware starts, in the file `output`: GRUB's core with a few of the modules of the package `grub`
// (GRUB_PACKAGE), put together by the host's grub-mkimage. It finds the ISO by `epoch`, the time of its making, and goes on
// with /boot/grub/grub.cfg there. `work` is a folder for what the package has.
int grub_make(const struct package *grub, const char *work, int64_t epoch, const char *output,
	      struct error *err) MUST_CHECK;
