// SPDX-License-Identifier: Apache-2.0
// libarchive's conventions turned into ours, in one place.
#pragma once

#include "image/blob.h"
#include "lib/error.h"

#include <archive.h>
#include <archive_entry.h>

#define cleanup_archive_read CLEANUP(archive_read_cleanup)
static inline void archive_read_cleanup(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

#define cleanup_archive_write CLEANUP(archive_write_cleanup)
static inline void archive_write_cleanup(struct archive **a)
{
	if (*a)
		archive_write_free(*a);
}

#define cleanup_archive_entry CLEANUP(archive_entry_cleanup)
static inline void archive_entry_cleanup(struct archive_entry **e)
{
	if (*e)
		archive_entry_free(*e);
}

// Sets err from the archive's own error. Returns -errno.
int archive_error(struct archive *a, const char *what, struct error *err);

// Reads the data of the current entry, whose header says `size` bytes; more than `max` is refused.
int archive_entry_blob(struct archive *a, struct archive_entry *e, size_t max, struct blob **ret,
		       struct error *err) MUST_CHECK;

// Unpacks one compressed file (xz, zstd, gzip), of at most `max` bytes when unpacked.
int archive_decompress(const struct blob *packed, const char *what, size_t max, struct blob **ret,
		       struct error *err) MUST_CHECK;
