// SPDX-License-Identifier: Apache-2.0
// A data disk that was enlarged.
//
// Theory of operation
//
// Our own layout has the swap partition behind the data partition, so new room appears behind swap. Swap holds nothing between
// two boots: its signature is written at the disk's new end, sfdisk moves its table entry there, then sfdisk stretches the data
// partition up to it. The power may fail after each of these: the table is valid after both calls (sfdisk writes the backup
// table first, at the disk's new end), and the next boot finds the room that is left and goes on. All of it happens before
// anything of the disk is mounted.
//
// The file system grows when it is mounted, by the kernel's own online resize, which goes through the journal; no program is
// run for it. It is tried at every mount, so that one that was cut short is finished.
#include "disk_grow.h"

#include "disk_prepare.h"
#include "ext4.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>

#define MIB (1024ULL * 1024)
#define GAIN_MIN (8 * MIB) // less is the usual slack at a disk's end
#define MBR_REACH (0xffffffffULL * 512)
#define SECTOR 512 // the unit of libblkid and of partition tables in the kernel
#define GPT_SWAP "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t) // EXT4_IOC_RESIZE_FS, which is in no header

bool disk_grow_plan(const struct disk_partition *parts, size_t count, uint64_t disk_size, int data_number,
		    struct disk_growth *ret)
{
	const struct disk_partition *data = NULL, *swap = NULL;
	uint64_t end = disk_size / MIB * MIB;
	struct disk_growth g = { .swap_number = 0 };

	for (size_t i = 0; i < count; i++)
		if (parts[i].number == data_number)
			data = &parts[i];
	if (!data || end <= MIB)
		return false;
	end -= MIB; // a GPT's second table is in the last MiB
	for (size_t i = 0; i < count; i++) {
		if (parts[i].start <= data->start)
			continue;
		if (swap || !parts[i].is_swap)
			return false;
		swap = &parts[i];
	}
	if (swap) {
		if (swap->size / MIB * MIB >= end)
			return false;
		g.swap_size = swap->size / MIB * MIB;
		g.swap_start = end - g.swap_size;
		if (g.swap_size > 0 && g.swap_start >= swap->start + GAIN_MIN)
			g.swap_number = swap->number;
		end = g.swap_number ? g.swap_start : swap->start;
	}
	if (end < data->start + data->size + GAIN_MIN)
		return false;
	g.data_size = end - data->start;
	*ret = g;
	return true;
}

static struct disk_partition read_partition(blkid_partition p)
{
	const char *gpt = blkid_partition_get_type_string(p);
	int mbr_type = gpt ? 0 : blkid_partition_get_type(p);

	return (struct disk_partition){ .number = blkid_partition_get_partno(p),
					.start = (uint64_t)blkid_partition_get_start(p) * SECTOR,
					.size = (uint64_t)blkid_partition_get_size(p) * SECTOR,
					.is_swap = gpt ? strcasecmp(gpt, GPT_SWAP) == 0 : mbr_type == 0x82,
					.mbr_type = mbr_type };
}

static int read_table(blkid_probe probe, const char *path, struct disk_partition *parts, struct error *err)
{
	blkid_partlist list;
	int count;

	blkid_probe_enable_partitions(probe, 1);
	list = blkid_probe_get_partitions(probe);
	count = list ? blkid_partlist_numof_partitions(list) : 0;
	if (count <= 0 || count > DISK_PARTITIONS_MAX)
		return error_say(err, EINVAL, "%s has no partition table that can be read", path);
	for (int i = 0; i < count; i++)
		parts[i] = read_partition(blkid_partlist_get_partition(list, i));
	return count;
}

static int change_partition(const char *path, int number, uint64_t start, uint64_t size, struct error *err)
{
	cleanup_free char *which = xasprintf("-N%d", number);
	cleanup_free char *line = xasprintf("start=%lluKiB, size=%lluKiB\n", (unsigned long long)start / 1024,
					    (unsigned long long)size / 1024);

	return disk_write_table(path, which, line, err);
}

// Partitions begin and end at multiples of 1 KiB, or the table was made by something that we do not want to follow.
static int grow(const char *path, const struct disk_partition *data, const struct disk_growth *g, struct error *err)
{
	int r = 0;

	if (data->start % 1024)
		return error_say(err, EINVAL, "%s: partition %d begins at half a KiB; grow it by hand", path,
				 data->number);
	if (g->swap_number) {
		r = disk_write_swap(path, g->swap_start, g->swap_size, DISK_SWAP_LABEL, err);
		if (r == 0)
			r = change_partition(path, g->swap_number, g->swap_start, g->swap_size, err);
	}
	if (r == 0)
		r = change_partition(path, data->number, data->start, g->data_size, err);
	return r < 0 ? r : 1;
}

int disk_read_partitions(const char *path, struct disk_partition *parts, uint64_t *ret_size, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	blkid_probe probe = blkid_new_probe();
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	int count;

	if (size < 0 || !probe || blkid_probe_set_device(probe, fd, 0, 0) < 0)
		count = error_set(err, size < 0 ? errno : EIO, "look at the partitions of %s", path);
	else
		count = read_table(probe, path, parts, err);
	blkid_free_probe(probe);
	if (count <= 0)
		return count;
	*ret_size = (uint64_t)size;
	if (parts[0].mbr_type && *ret_size > MBR_REACH)
		*ret_size = MBR_REACH;
	return count;
}

int disk_grow_partition(const char *path, int number, struct error *err)
{
	struct disk_partition parts[DISK_PARTITIONS_MAX];
	struct disk_growth growth;
	uint64_t size;
	int count = disk_read_partitions(path, parts, &size, err);

	for (int i = 0; i < count; i++)
		if (parts[i].number == number && disk_grow_plan(parts, (size_t)count, size, number, &growth))
			return grow(path, &parts[i], &growth, err);
	return count < 0 ? count : 0;
}

static int grow_ext4(int device, uint64_t size, int target, struct error *err)
{
	struct ext4_facts facts;
	uint64_t blocks;

	if (!ext4_read(device, &facts) || size / facts.block_size < facts.blocks + GAIN_MIN / facts.block_size)
		return 0;
	blocks = size / facts.block_size;
	if (ioctl(target, EXT4_RESIZE_FS, &blocks) < 0)
		return error_set(err, errno, "grow ext4 to %llu blocks of %llu bytes", (unsigned long long)blocks,
				 (unsigned long long)facts.block_size);
	return 1;
}

static int grow_btrfs(uint64_t size, int target, struct error *err)
{
	struct btrfs_ioctl_dev_info_args info = { .devid = 1 };
	struct btrfs_ioctl_vol_args args = { .name = "1:max" };

	if (ioctl(target, BTRFS_IOC_DEV_INFO, &info) < 0)
		return error_set(err, errno, "ask btrfs for its size");
	if (size < info.total_bytes + GAIN_MIN)
		return 0;
	if (ioctl(target, BTRFS_IOC_RESIZE, &args) < 0)
		return error_set(err, errno, "grow btrfs");
	return 1;
}

int disk_grow_file_system(const char *device, const char *target, const char *type, struct error *err)
{
	cleanup_close int fd = open(device, O_RDONLY | O_CLOEXEC);
	cleanup_close int folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return error_set(err, errno, "size of %s", device);
	if (folder < 0)
		return error_set(err, errno, "open %s", target);
	return strcmp(type, "btrfs") == 0 ? grow_btrfs((uint64_t)size, folder, err)
					  : grow_ext4(fd, (uint64_t)size, folder, err);
}
