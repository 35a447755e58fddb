// SPDX-License-Identifier: Apache-2.0
// Reading a Debian package's files into memory: an ar archive whose member data.tar.* is a tar. Untrusted input.
#pragma once

#include "image/blob.h"
#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct deb_entry {
	char *path; // absolute, normalised, with /bin, /sbin, /lib and /lib64 moved below /usr
	mode_t type; // S_IFREG, S_IFDIR or S_IFLNK
	mode_t mode;
	int64_t mtime;
	char *target; // a link's
	size_t size;
	struct blob *blob; // a file's bytes, when they were wanted
};

struct deb {
	struct deb_entry *entries; // sorted by path
	size_t count;
};

// Says whether a file's bytes will be needed; called once for each regular file.
typedef bool (*deb_want_fn)(const char *path, void *arg);

// Reads the package. Refused: paths that are not below the root, devices, hard links to what is not in the package, files
// larger than 1 GiB. Hard links become files that share their bytes. Nothing is left to free after an error.
int deb_read(const char *path, deb_want_fn want, void *arg, struct deb *ret, struct error *err) MUST_CHECK;
// The same from memory; `what` names it in errors.
int deb_read_memory(const void *data, size_t len, const char *what, deb_want_fn want, void *arg, struct deb *ret,
		    struct error *err) MUST_CHECK;
void deb_done(struct deb *d);
const struct deb_entry *deb_find(const struct deb *d, const char *path); // NULL when it is not there
