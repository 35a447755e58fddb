// SPDX-License-Identifier: Apache-2.0
// The kernel inside a bzImage, which a hypervisor can start without the bzImage's own unpacking.
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>

// Unpacks the ELF kernel inside `bzimage` to `to` (replaced as a whole). Returns 1; or 0 and writes nothing when it cannot be
// started directly: not a bzImage of x86-64, packed by something other than gzip, xz or zstd, or without an entry for PVH
// (Linux's Documentation/arch/x86/boot.rst; XEN_ELFNOTE_PHYS32_ENTRY, include/xen/interface/elfnote.h).
int bzimage_unpack(const char *bzimage, const char *to, struct error *err) MUST_CHECK;

// Whether an ELF file of 64 bits for x86-64 has the note of an entry for PVH. `elf` is foreign bytes.
bool elf_has_pvh_entry(const void *elf, size_t len);
