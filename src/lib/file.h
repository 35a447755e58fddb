// SPDX-License-Identifier: Apache-2.0
// Files: reading bounded, replacing atomically, making and removing trees.
#pragma once

#include "buf.h"
#include "error.h"
#include "strv.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Reads a whole file into `ret` (appended). More than `max` bytes: EFBIG.
int file_read(const char *path, size_t max, struct buf *ret, struct error *err) MUST_CHECK;
// Reads a fd to its end, as file_read; `what` names it in errors.
int file_read_fd(int fd, const char *what, size_t max, struct buf *ret, struct error *err) MUST_CHECK;
// Writes all bytes, through short writes and EINTR.
int file_write_fd(int fd, const char *what, const void *data, size_t len, struct error *err) MUST_CHECK;
// Writes into an existing file without replacing it: sysfs, proc, cgroup files.
int file_write_existing(const char *path, const char *text, struct error *err) MUST_CHECK;

// Replaces `path` as a whole: temporary name beside it, fsync, rename. A reader sees the old or the new file, never half.
int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct error *err) MUST_CHECK;
int file_replace_text(const char *path, const char *text, mode_t mode, struct error *err) MUST_CHECK;

// The same for what is written piece by piece. _open; write to `fd`; then _commit, or _abort (also on a committed one: no effect).
struct file_writer {
	int fd;
	char *path;
	char *temporary;
};
#define FILE_WRITER_INIT \
	{                \
		.fd = -1 \
	}
#define cleanup_file_writer CLEANUP(file_writer_abort)
int file_writer_open(struct file_writer *w, const char *path, mode_t mode, struct error *err) MUST_CHECK;
int file_writer_commit(struct file_writer *w, struct error *err) MUST_CHECK;
void file_writer_abort(struct file_writer *w);

// Copies a file's bytes to a new or replaced file (atomically); holes and reflinks are used where the kernel can.
int file_copy(const char *from, const char *to, mode_t mode, struct error *err) MUST_CHECK;
// mkdir -p; existing folders are left as they are.
int file_mkdirs(const char *path, mode_t mode, struct error *err) MUST_CHECK;
// Opens the folder `path` below `folder` (both "a/b" and "/a/b" are meant below it; "." and empty components are passed over),
// making what is missing with this mode and owner ((uid_t)-1: the caller). No symbolic link below `folder` is followed, and ".."
// is refused: what is opened lies in `folder`, whoever wrote into it. Returns the fd.
int file_open_beneath(const char *folder, const char *path, mode_t mode, uid_t uid, gid_t gid,
		      struct error *err) MUST_CHECK;
// rm -rf, does not follow symbolic links, does not leave the file system. A missing path is success.
int file_remove_tree(const char *path, struct error *err) MUST_CHECK;
// unlink; a missing file is success.
int file_unlink(const char *path, struct error *err) MUST_CHECK;
bool file_exists(const char *path); // follows symbolic links
// The names in a folder, in byte order, without those that begin with a dot. A folder that cannot be read has none.
void file_list(const char *path, struct strv *ret);
