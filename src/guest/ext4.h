// SPDX-License-Identifier: Apache-2.0
// What the superblock of an ext2, ext3 or ext4 says (the kernel's Documentation/filesystems/ext4/super.rst).
#pragma once

#include "lib/macros.h"

#include <stdbool.h>
#include <stdint.h>

#define EXT4_SUPERBLOCK_OFFSET 1024 // bytes, from the file system's start
#define EXT4_SUPERBLOCK_LEN 1024
#define EXT4_LABEL_MAX 16 // bytes

struct ext4_facts {
	uint64_t blocks; // the file system's size, in blocks
	uint64_t block_size; // bytes
	char label[EXT4_LABEL_MAX + 1]; // foreign bytes; empty: none
	// It was unmounted in order, no error was seen in it, and no check is due by its age: `e2fsck -p` would read the same and
	// end.
	bool is_clean;
};

// False when these bytes are no such superblock.
bool ext4_parse(const uint8_t *block, size_t len, struct ext4_facts *ret);
// Reads the superblock of a device or image; false when there is none.
bool ext4_read(int fd, struct ext4_facts *ret);
