// SPDX-License-Identifier: Apache-2.0
// A data disk that was enlarged: its partition, then its file system, take the new room.
#pragma once

#include "disk.h"

struct disk_partition {
	int number;
	uint64_t start, size; // bytes
	bool is_swap;
	int mbr_type; // 0: of a GPT
};

#define DISK_PARTITIONS_MAX 256

// Reads the partition table of a disk or image file. Returns how many partitions there are (1 to DISK_PARTITIONS_MAX), or
// -errno; the size is the disk's, as far as the kind of table reaches.
int disk_read_partitions(const char *path, struct disk_partition *parts, uint64_t *ret_size,
			 struct error *err) MUST_CHECK;

struct disk_growth {
	uint64_t data_size; // what the data partition has then; bytes
	int swap_number; // the swap partition that moves out of the way; 0: none does
	uint64_t swap_start, swap_size;
};

// Whether data can grow on a disk of this size: only when nothing but free room, or one swap partition, lies behind it, and
// when it gains something. The swap partition, which holds nothing worth keeping, then moves to the disk's end.
bool disk_grow_plan(const struct disk_partition *parts, size_t count, uint64_t disk_size, int data_number,
		    struct disk_growth *ret);

// Grows the partition `number` of the disk (or image file) at `path`, neither it nor another partition being in use. 1: it has
// grown, 0: there is no room. No byte of the data partition is written.
int disk_grow_partition(const char *path, int number, struct error *err) MUST_CHECK;

// Grows the file system mounted at `target` to the size of its device. 1: it has grown, 0: it fills the device already.
int disk_grow_file_system(const char *device, const char *target, const char *type, struct error *err) MUST_CHECK;
