// SPDX-License-Identifier: Apache-2.0
// Fuzzes the search for an entry for PVH in a kernel's ELF notes.
#include "machine/bzimage.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)elf_has_pvh_entry(data, size);
	return 0;
}
