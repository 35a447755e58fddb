// SPDX-License-Identifier: Apache-2.0
// Small untrusted tar archives (ustar) in memory: what a host puts on a disk or hands over at start.
#pragma once

#include "lib/cursor.h"
#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TAR_BLOCK 512
#define TAR_MAGIC_NAME "boot2docker, please format-me"

struct tar_member {
	char name[257]; // prefix joined; not checked for ".." here
	char type; // '0' plain file (also for the old '\0'), '5' folder, others as in the archive
	uint64_t mode;
	uint64_t size;
	uint64_t time; // seconds since 1970; 0: none that can be read
	const uint8_t *data; // `size` bytes within the archive, for plain files
};

// Reads the next member. 1: there is one; 0: the end (zero block, or no whole header left); -EBADMSG: not a tar, or cut short.
int tar_next(struct cursor *c, struct tar_member *ret, struct error *err) MUST_CHECK;

// Whether these bytes begin with a tar whose first member is the magic name.
bool tar_has_magic(const void *data, size_t len);

struct tar_unpack {
	const char *folder; // exists; nothing outside it is touched
	uid_t uid; // who owns what is made
	gid_t gid;
	uint64_t size_max; // all files together
	unsigned int members_max;
};

// Unpacks plain files and folders. Members that are neither, or whose name leaves the folder (also through a symbolic link
// that is there), are refused with a log line and the rest is unpacked. An error: the archive itself is broken or too large;
// what came before stays. Returns the number of files and folders made.
int tar_unpack(const void *data, size_t len, const struct tar_unpack *how, struct error *err) MUST_CHECK;
