// SPDX-License-Identifier: Apache-2.0
// What the builder needs to know of an ELF file: the libraries a program asks for, and a section's bytes. Untrusted input.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>
#include <stdint.h>

struct elf_needs {
	struct strv needed; // DT_NEEDED, in order
	struct strv search; // DT_RUNPATH or DT_RPATH, one folder an item, $ORIGIN as it is
	char *interpreter; // PT_INTERP, or NULL
};

void elf_needs_done(struct elf_needs *n);
#define cleanup_elf_needs CLEANUP(elf_needs_done)

bool elf_is_elf(const void *data, size_t len);
// Reads what a 64-bit little-endian x86 ELF needs; a static program or an object file needs nothing.
int elf_read_needs(const void *data, size_t len, struct elf_needs *ret, struct error *err) MUST_CHECK;
// A section of an object file (a kernel module's ".modinfo"): points into `data`. Missing: ENOENT.
int elf_find_section(const void *data, size_t len, const char *name, const uint8_t **ret, size_t *ret_len,
		     struct error *err) MUST_CHECK;
