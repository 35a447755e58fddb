// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of ELF files: what programs need, and the sections of kernel modules.
#include "image/elf_file.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_needs needs = { .interpreter = NULL };
	const uint8_t *section;
	size_t len;

	if (elf_read_needs(data, size, &needs, NULL) == 0)
		elf_needs_done(&needs);
	// Every byte of a section that was found must be readable.
	if (elf_find_section(data, size, ".modinfo", &section, &len, NULL) == 0) {
		volatile uint8_t sum = 0;

		for (size_t i = 0; i < len; i++)
			sum = (uint8_t)(sum + section[i]);
	}
	return 0;
}
