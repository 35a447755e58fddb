// SPDX-License-Identifier: Apache-2.0
// Making a data disk: partitions, file system, swap.
#pragma once

#include "lib/error.h"

#include <stdint.h>

struct disk_layout {
	uint64_t data_start, data_size, swap_start, swap_size; // bytes, whole MiB
};

// Where the partitions go on a disk of this size: 1000 MB of swap, a quarter of the disk below 4 GB. Below 64 MiB: ENOSPC.
int disk_layout(uint64_t size, struct disk_layout *ret, struct error *err) MUST_CHECK;

// Prepares the disk (or image file) at `path`. `staging` is a folder that may be made and removed. When `userdata` is not NULL
// its DISK_MAGIC_LEN bytes become var/lib/boot2docker/userdata.tar. If this is interrupted at any point, the disk still carries
// the magic, and the next boot prepares it from the start.
int disk_prepare(const char *path, uint64_t size, const char *staging, const void *userdata,
		 struct error *err) MUST_CHECK;

// The parts of it. Makes the file system of the layout's data, and has it reach the disk.
int disk_make_data(const char *path, const struct disk_layout *layout, const char *staging, const void *userdata,
		   struct error *err) MUST_CHECK;
// Writes a swap signature for `size` bytes at `offset` of the device or file.
int disk_write_swap(const char *path, uint64_t offset, uint64_t size, const char *label, struct error *err) MUST_CHECK;
// The size of the swap space with this label that begins at `offset`; 0: there is none.
uint64_t disk_read_swap(int fd, uint64_t offset, const char *label);
// Has sfdisk change the partition table, or only the partition that `option` is about; other signatures on the disk stay.
int disk_write_table(const char *path, const char *option, const char *script, struct error *err) MUST_CHECK;
int disk_flush(const char *path, struct error *err) MUST_CHECK;
