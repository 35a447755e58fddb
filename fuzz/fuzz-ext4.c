// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of an ext4 superblock.
#include "guest/ext4.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ext4_facts facts;

	// The size in bytes is computed from both: neither may be absurd.
	if (ext4_parse(data, size, &facts) && (facts.block_size < 1024 || facts.block_size > 65536))
		__builtin_trap();
	return 0;
}
