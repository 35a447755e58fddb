// SPDX-License-Identifier: Apache-2.0
// The data disk: which one it is. A disk that holds anything that is not ours is never written to.
#pragma once

#include "guest.h"

#include <stdbool.h>
#include <stdint.h>

#define DISK_LABEL "boot2docker-data"
#define DISK_SWAP_LABEL "boot2dockerswap"
#define DISK_MAGIC_LEN 4096 // what is saved as userdata.tar
#define DISK_BLANK_LEN (256 * 1024)

// What was seen on a block device (a disk or a partition). Looking never writes.
struct disk_facts {
	char *name; // "vda", "vda1"
	char *path; // "/dev/vda"
	uint64_t size;
	int partition; // its number; 0: a whole disk
	bool read_only;
	bool vmware; // a virtual disk of VMware, by vendor and model
	bool looked_at; // disk_examine() was here
	bool readable; // false: nothing below is known
	bool magic; // begins with the magic tar
	bool zero; // the first DISK_BLANK_LEN bytes are zero
	bool signature; // libblkid knows something on it: file system, RAID member, encryption, partition table
	char *type, *label; // of the file system, or of what else blkid calls a type (swap, crypto_LUKS); NULL
	char *uuid; // of the file system; an ISO's is the date of its making
	char *table; // of the partition table: "gpt", "dos"; NULL
	bool has_image; // a whole disk with the image that was booted
	bool has_lost_data; // and with a data partition behind it that the partition table does not name
	char *no_room; // why no data partition can be made behind the image; NULL: it can
};

enum disk_use { DISK_NONE, DISK_MOUNT, DISK_PREPARE, DISK_INSTALL };

struct disk_choice {
	enum disk_use use;
	const struct disk_facts *disk;
	const char *why; // in words, for the log
};

// Looks at one device or image file; name, partition, read_only and vmware are the caller's to set before. A device that is in
// use, itself or by a partition of it, is not looked at: `readable` stays false, which is no error.
int disk_examine(struct disk_facts *f, struct error *err) MUST_CHECK;
void disk_facts_done(struct disk_facts *f);

// The choice of guest.md: the label; with `install` the disk that holds our image; the magic; blank and of VMware; the first
// ext4 or btrfs. Facts in the order of names.
struct disk_choice disk_choose(const struct disk_facts *facts, size_t count, bool install);
// Says in the log why each of the others is left alone. What was meant as a data disk and cannot be one, is a warning; the
// number of those is returned.
size_t disk_log_others(const struct disk_facts *facts, size_t count, const struct disk_choice *choice, bool install);
// The name of the disk that a partition is part of: "nvme0n1" of "nvme0n1p2". The caller frees.
char *disk_of_partition(const struct disk_facts *f);

// Finds the block devices that could be data disks (no loops, RAM disks, floppies, CDs), sorted by name. What they hold is not
// looked at.
void disk_list(const struct guest *g, struct disk_facts **ret, size_t *ret_count);
// Looks at those that were not looked at; what cannot be read is logged.
void disk_examine_all(const struct guest *g, struct disk_facts *facts, size_t count);
// Looks for the first choice, a disk with our label, by one read or two of each disk; only what seems to be it is looked at as a
// whole. False: there is none. It is what disk_choose() chooses then, and what it would choose after a look at all.
bool disk_examine_labelled(struct disk_facts *facts, size_t count);
void disk_list_done(struct disk_facts *facts, size_t count);
