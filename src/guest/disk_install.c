// SPDX-License-Identifier: Apache-2.0
// The data partition behind our own boot image.
//
// Theory of operation
//
// The ISO has an MBR with two entries: the image itself, and the EFI partition at its end (src/image/iso.c). The other two
// become swap and data, in this order on the disk. They begin at a multiple of 256 MiB, so that a newer image, somewhat larger,
// can be written over this one.
//
// Writing an image with dd takes the entries away, but what they named is still there, and is given back: the swap partition
// has a fixed place, its signature says where it ends and the data begins. To be trusted, it is written last: first an old one
// is removed, then the file system is made and reaches the disk, then comes the signature, then sfdisk writes the entries, by
// one sector. When the power fails before the signature, the next try begins again; after it, it only names the partitions.
// Whatever is found that fits neither is left alone.
#include "disk_install.h"

#include "disk.h"
#include "disk_grow.h"
#include "lib/alloc.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define MIB (1024ULL * 1024)
#define STEP (256 * MIB)
#define ROOM_MIN (512 * MIB) // with less an engine is better off in memory
#define IMAGE_START (32 * 1024) // of partition 1
#define TYPE_EFI 0xef

static bool is_table_of_image(const struct disk_partition *parts, int count)
{
	return count == 2 && parts[0].number == 1 && parts[0].start == IMAGE_START && parts[1].number == 2 &&
	       parts[1].mbr_type == TYPE_EFI;
}

static uint64_t end_of_image(const struct disk_partition *parts, int count)
{
	uint64_t end = 0;

	for (int i = 0; i < count; i++)
		if (parts[i].start + parts[i].size > end)
			end = parts[i].start + parts[i].size;
	return end;
}

static int lay_out(uint64_t start, uint64_t end, struct disk_layout *ret, struct error *err)
{
	uint64_t room = end > start ? end - start : 0;
	uint64_t swap = (room < 4000000000ULL ? room / 4 : 1000000000ULL) / MIB * MIB;

	if (room < ROOM_MIN)
		return error_say(err, ENOSPC,
				 "there is room for %llu MiB of data behind it, and it takes %llu at least",
				 (unsigned long long)(room / MIB), ROOM_MIN / MIB);
	*ret = (struct disk_layout){
		.swap_start = start, .swap_size = swap, .data_start = start + swap, .data_size = room - swap
	};
	return 0;
}

static const char *probe_value(blkid_probe probe, const char *key)
{
	const char *value;

	return blkid_probe_lookup_value(probe, key, &value, NULL) == 0 ? value : "";
}

enum content { CONTENT_NONE, CONTENT_DATA, CONTENT_OTHER };

static int look_at(int fd, uint64_t start, uint64_t size, enum content *ret, struct error *err)
{
	blkid_probe probe = blkid_new_probe();
	int found = -1;

	if (probe && blkid_probe_set_device(probe, fd, (blkid_loff_t)start, (blkid_loff_t)size) == 0) {
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
		found = blkid_do_safeprobe(probe);
	}
	*ret = found == 1 ? CONTENT_NONE : CONTENT_OTHER;
	if (found == 0 && strcmp(probe_value(probe, "LABEL"), DISK_LABEL) == 0)
		*ret = CONTENT_DATA;
	blkid_free_probe(probe);
	return found == -1 ? error_say(err, EIO, "what is behind it cannot be read") : 0;
}

// Data that was there before, behind a swap signature of ours.
static int find_data(int fd, uint64_t start, uint64_t end, struct disk_install *ret, struct error *err)
{
	uint64_t swap_size = disk_read_swap(fd, start, DISK_SWAP_LABEL);
	uint64_t data_start = start + swap_size;
	enum content content;
	int r;

	if (swap_size == 0)
		return 0;
	if (swap_size % MIB || swap_size >= end - start)
		return error_say(err, EBUSY, "behind it was data on a larger disk");
	r = look_at(fd, data_start, end - data_start, &content, err);
	if (r < 0)
		return r;
	if (content == CONTENT_OTHER)
		return error_say(err, EBUSY, "behind it lies something that is not ours (byte %llu)",
				 (unsigned long long)data_start);
	if (content == CONTENT_DATA)
		*ret = (struct disk_install){ .layout = { .swap_start = start,
							  .swap_size = swap_size,
							  .data_start = data_start,
							  .data_size = end - data_start },
					      .has_data = true };
	return 0;
}

int disk_install_plan(const char *path, struct disk_install *ret, struct error *err)
{
	struct disk_partition parts[DISK_PARTITIONS_MAX];
	struct disk_install plan = { .has_data = false };
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size, start, end;
	int r = disk_read_partitions(path, parts, &size, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return error_set(err, errno, "it cannot be opened");
	if (!is_table_of_image(parts, r))
		return error_say(err, EBUSY, "its partition table is not the image's");
	start = (end_of_image(parts, r) + MIB + STEP - 1) / STEP * STEP;
	end = size / MIB * MIB - MIB; // as on other disks, where the last one has a GPT's second table
	r = lay_out(start, end, &plan.layout, err);
	if (r == 0)
		r = find_data(fd, start, end, &plan, err);
	if (r == 0)
		*ret = plan;
	return r;
}

static int forget_old(const char *path, const struct disk_layout *layout, struct error *err)
{
	static const char zero[4096];
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, zero, sizeof(zero), (off_t)layout->swap_start) != (ssize_t)sizeof(zero) ||
	    fsync(fd) < 0)
		return error_set(err, errno, "write to %s", path);
	return 0;
}

static int make_new(const char *path, const struct disk_layout *layout, const char *staging, struct error *err)
{
	int r = forget_old(path, layout, err);

	if (r == 0)
		r = disk_make_data(path, layout, staging, NULL, err);
	if (r == 0)
		r = disk_write_swap(path, layout->swap_start, layout->swap_size, DISK_SWAP_LABEL, err);
	return r == 0 ? disk_flush(path, err) : r;
}

int disk_install(const char *path, const struct disk_install *plan, const char *staging, struct error *err)
{
	const struct disk_layout *layout = &plan->layout;
	cleanup_free char *entries =
		xasprintf("start=%lluKiB, size=%lluKiB, type=82\n"
			  "start=%lluKiB, size=%lluKiB, type=83\n",
			  (unsigned long long)layout->swap_start / 1024, (unsigned long long)layout->swap_size / 1024,
			  (unsigned long long)layout->data_start / 1024, (unsigned long long)layout->data_size / 1024);
	int r = plan->has_data ? 0 : make_new(path, layout, staging, err);

	if (r == 0)
		r = disk_write_table(path, "--append", entries, err);
	if (r == 0)
		r = disk_flush(path, err);
	return r < 0 ? error_wrap(err, "making a data partition on %s", path) : 0;
}
