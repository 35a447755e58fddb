// SPDX-License-Identifier: Apache-2.0
// What the superblock of an ext2, ext3 or ext4 says.
#include "ext4.h"

#include "lib/cursor.h"

#include <unistd.h>

#define MAGIC 0xef53
#define STATE_VALID 1 // and nothing else: bit 1 is "has errors", bit 2 "orphans are being recovered"
#define INCOMPAT_RECOVER 0x4 // the journal has to be replayed
#define INCOMPAT_64BIT 0x80
#define RO_COMPAT_ORPHAN_PRESENT 0x10000
#define LOG_BLOCK_SIZE_MAX 6 // 64 KiB

// Goes on to byte `offset` of the superblock.
static void go_to(struct cursor *c, size_t offset)
{
	cursor_skip(c, offset - (EXT4_SUPERBLOCK_LEN - c->left));
}

bool ext4_parse(const uint8_t *block, size_t len, struct ext4_facts *ret)
{
	uint32_t blocks, blocks_high, log_block_size, interval, incompat, ro_compat, orphan, errors;
	uint16_t mounts_max, magic, state;
	struct cursor c;

	if (len != EXT4_SUPERBLOCK_LEN)
		return false;
	cursor_init(&c, block, len);
	go_to(&c, 0x4);
	blocks = cursor_le32(&c);
	go_to(&c, 0x18);
	log_block_size = cursor_le32(&c);
	go_to(&c, 0x36);
	mounts_max = cursor_le16(&c);
	magic = cursor_le16(&c);
	state = cursor_le16(&c);
	go_to(&c, 0x44);
	interval = cursor_le32(&c);
	go_to(&c, 0x60);
	incompat = cursor_le32(&c);
	ro_compat = cursor_le32(&c);
	go_to(&c, 0xe8);
	orphan = cursor_le32(&c);
	go_to(&c, 0x150);
	blocks_high = incompat & INCOMPAT_64BIT ? cursor_le32(&c) : 0;
	go_to(&c, 0x194);
	errors = cursor_le32(&c);
	if (c.failed || magic != MAGIC || log_block_size > LOG_BLOCK_SIZE_MAX)
		return false;
	ret->blocks = blocks | (uint64_t)blocks_high << 32;
	ret->block_size = 1024ULL << log_block_size;
	// A largest number of mounts of 0 or -1 means that none makes a check due, an interval of 0 that no time does.
	ret->is_clean = state == STATE_VALID && !(incompat & INCOMPAT_RECOVER) &&
			!(ro_compat & RO_COMPAT_ORPHAN_PRESENT) && orphan == 0 && errors == 0 && interval == 0 &&
			(int16_t)mounts_max <= 0;
	return true;
}

bool ext4_read(int fd, struct ext4_facts *ret)
{
	uint8_t block[EXT4_SUPERBLOCK_LEN];

	return pread(fd, block, sizeof(block), EXT4_SUPERBLOCK_OFFSET) == (ssize_t)sizeof(block) &&
	       ext4_parse(block, sizeof(block), ret);
}
