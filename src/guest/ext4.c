// SPDX-License-Identifier: Apache-2.0
// What the superblock of an ext2, ext3 or ext4 says.
#include "ext4.h"

#include <string.h>
#include <unistd.h>

// Where the fields are, by their names without s_; little-endian.
enum {
	BLOCKS_COUNT_LO = 0x4,
	LOG_BLOCK_SIZE = 0x18,
	MAX_MNT_COUNT = 0x36,
	MAGIC = 0x38,
	STATE = 0x3a,
	CHECKINTERVAL = 0x44,
	FEATURE_INCOMPAT = 0x60,
	FEATURE_RO_COMPAT = 0x64,
	VOLUME_NAME = 0x78,
	LAST_ORPHAN = 0xe8,
	BLOCKS_COUNT_HI = 0x150,
	ERROR_COUNT = 0x194,
};

#define STATE_VALID 1 // and nothing else: bit 1 is "has errors", bit 2 "orphans are being recovered"
#define INCOMPAT_RECOVER 0x4 // the journal has to be replayed
#define INCOMPAT_64BIT 0x80
#define RO_COMPAT_ORPHAN_PRESENT 0x10000
#define LOG_BLOCK_SIZE_MAX 6 // 64 KiB

static uint16_t le16(const uint8_t *block, size_t offset)
{
	return (uint16_t)(block[offset] | block[offset + 1] << 8);
}

static uint32_t le32(const uint8_t *block, size_t offset)
{
	return le16(block, offset) | (uint32_t)le16(block, offset + 2) << 16;
}

// A largest number of mounts of 0 or -1 means that none makes a check due, an interval of 0 that no time does.
static bool is_check_due(const uint8_t *block)
{
	return (int16_t)le16(block, MAX_MNT_COUNT) > 0 || le32(block, CHECKINTERVAL) != 0;
}

bool ext4_parse(const uint8_t *block, size_t len, struct ext4_facts *ret)
{
	uint32_t incompat;

	if (len != EXT4_SUPERBLOCK_LEN || le16(block, MAGIC) != 0xef53 ||
	    le32(block, LOG_BLOCK_SIZE) > LOG_BLOCK_SIZE_MAX)
		return false;
	incompat = le32(block, FEATURE_INCOMPAT);
	ret->blocks = le32(block, BLOCKS_COUNT_LO);
	if (incompat & INCOMPAT_64BIT)
		ret->blocks |= (uint64_t)le32(block, BLOCKS_COUNT_HI) << 32;
	ret->block_size = 1024ULL << le32(block, LOG_BLOCK_SIZE);
	memcpy(ret->label, block + VOLUME_NAME, EXT4_LABEL_MAX);
	ret->label[EXT4_LABEL_MAX] = '\0';
	ret->is_clean = le16(block, STATE) == STATE_VALID && !(incompat & INCOMPAT_RECOVER) &&
			!(le32(block, FEATURE_RO_COMPAT) & RO_COMPAT_ORPHAN_PRESENT) && le32(block, LAST_ORPHAN) == 0 &&
			le32(block, ERROR_COUNT) == 0 && !is_check_due(block);
	return true;
}

bool ext4_read(int fd, struct ext4_facts *ret)
{
	uint8_t block[EXT4_SUPERBLOCK_LEN];

	return pread(fd, block, sizeof(block), EXT4_SUPERBLOCK_OFFSET) == (ssize_t)sizeof(block) &&
	       ext4_parse(block, sizeof(block), ret);
}
