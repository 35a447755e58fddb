// SPDX-License-Identifier: Apache-2.0
// Files: reading bounded, replacing atomically, making and removing trees; see file.h.
#include "file.h"

#include "alloc.h"
#include "path.h"
#include "strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int file_read_fd(int fd, const char *what, size_t max, struct buf *ret, struct error *err)
{
	size_t start = ret->len;

	for (;;) {
		buf_reserve(ret, 64 * 1024);
		ssize_t n = read(fd, ret->data + ret->len, 64 * 1024);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "read %s", what);
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (n == 0)
			return 0;
		if (ret->len - start > max)
			return error_say(err, EFBIG, "%s is larger than the %zu bytes that are allowed", what, max);
	}
}

int file_read(const char *path, size_t max, struct buf *ret, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	return file_read_fd(fd, path, max, ret, err);
}

int file_write_fd(int fd, const char *what, const void *data, size_t len, struct error *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "write %s", what);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write_existing(const char *path, const char *text, struct error *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	return file_write_fd(fd, path, text, strlen(text), err);
}

int file_writer_open(struct file_writer *w, const char *path, mode_t mode, struct error *err)
{
	struct file_writer new = FILE_WRITER_INIT;

	new.temporary = xasprintf("%s.XXXXXX", path);
	new.fd = mkostemp(new.temporary, O_CLOEXEC);
	if (new.fd < 0) {
		int r = error_set(err, errno, "make a temporary file beside %s", path);
		free(new.temporary);
		return r;
	}
	// mkostemp makes it 0600; the mode is set before any content is there, so a secret is never readable by others.
	if (fchmod(new.fd, mode) < 0) {
		int r = error_set(err, errno, "set the mode of %s", new.temporary);
		file_writer_abort(&new);
		return r;
	}
	new.path = xstrdup(path);
	*w = new;
	return 0;
}

// A rename is on disk only when its folder is; a file system that cannot sync a folder (some FUSE ones) is not an error.
static void sync_folder_of(const char *path)
{
	cleanup_free char *dir = path_dir(path);
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

int file_writer_commit(struct file_writer *w, struct error *err)
{
	if (fsync(w->fd) < 0)
		return error_set(err, errno, "sync %s", w->temporary);
	if (rename(w->temporary, w->path) < 0)
		return error_set(err, errno, "rename %s to %s", w->temporary, w->path);
	free(take_ptr(w->temporary));
	sync_folder_of(w->path);
	file_writer_abort(w);
	return 0;
}

void file_writer_abort(struct file_writer *w)
{
	if (w->temporary)
		unlink(w->temporary);
	if (w->fd >= 0)
		close(w->fd);
	free(w->temporary);
	free(w->path);
	*w = (struct file_writer)FILE_WRITER_INIT;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	int r = file_writer_open(&w, path, mode, err);

	if (r < 0)
		return r;
	r = file_write_fd(w.fd, path, data, len, err);
	if (r < 0)
		return r;
	return file_writer_commit(&w, err);
}

int file_replace_text(const char *path, const char *text, mode_t mode, struct error *err)
{
	return file_replace(path, text, strlen(text), mode, err);
}

// Copies from where both fds stand to the end of `from`. copy_file_range first (holes, reflinks), else by reading.
static int copy_bytes(int from, int to, const char *from_path, const char *to_path, struct error *err)
{
	cleanup_free char *chunk = NULL;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP &&
		    errno != EPERM)
			return error_set(err, errno, "copy %s to %s", from_path, to_path);
		if (n < 0)
			break;
	}
	// What is left: all of it where copy_file_range does not work, nothing otherwise (some special files report 0 early).
	chunk = xmalloc(256 * 1024);
	for (;;) {
		ssize_t n = read(from, chunk, 256 * 1024);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "read %s", from_path);
		int r = file_write_fd(to, to_path, chunk, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

int file_copy(const char *from, const char *to, mode_t mode, struct error *err)
{
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	cleanup_close int fd = open(from, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", from);
	int r = file_writer_open(&w, to, mode, err);
	if (r < 0)
		return r;
	r = copy_bytes(fd, w.fd, from, to, err);
	if (r < 0)
		return r;
	return file_writer_commit(&w, err);
}

int file_mkdirs(const char *path, mode_t mode, struct error *err)
{
	cleanup_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; *copy; p++) {
		char c = *p;
		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_set(err, errno, "make folder %s", copy);
		*p = c;
		if (c == '\0')
			break;
	}
	if (stat(path, &st) < 0)
		return error_set(err, errno, "make folder %s", path);
	return S_ISDIR(st.st_mode) ? 0 : error_set(err, ENOTDIR, "make folder %s", path);
}

int file_open_beneath(const char *folder, const char *path, mode_t mode, uid_t uid, gid_t gid, struct error *err)
{
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_strv struct strv parts = STRV_INIT;

	if (dir < 0)
		return error_set(err, errno, "open %s", folder);
	strv_split(&parts, path, "/");
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = parts.items[i];
		int next;

		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0)
			return error_say(err, EPERM, "%s leads out of %s", path, folder);
		if (mkdirat(dir, part, mode) == 0)
			(void)!fchownat(dir, part, uid, gid, AT_SYMLINK_NOFOLLOW);
		next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_set(err, errno, "open folder %s of %s below %s", part, path, folder);
		close(dir);
		dir = next;
	}
	return take_fd(&dir);
}

static int remove_entry(int dir_fd, const char *name, const char *shown, dev_t device, struct error *err);

static int remove_children(int fd, const char *shown, dev_t device, struct error *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = error_set(err, errno, "open folder %s", shown);
		close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (!path_is_component(entry->d_name))
			continue;
		cleanup_free char *child = path_join(shown, entry->d_name);
		r = remove_entry(dirfd(dir), entry->d_name, child, device, err);
	}
	closedir(dir);
	return r;
}

static int remove_entry(int dir_fd, const char *name, const char *shown, dev_t device, struct error *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "remove %s", shown);
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
			return error_set(err, errno, "remove %s", shown);
		return 0;
	}
	if (st.st_dev != device)
		return error_set(err, EXDEV, "remove %s", shown);
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "open folder %s", shown);
	int r = remove_children(fd, shown, device, err);
	if (r < 0)
		return r;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove folder %s", shown);
	return 0;
}

int file_remove_tree(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "remove %s", path);
	return remove_entry(AT_FDCWD, path, path, st.st_dev, err);
}

int file_unlink(const char *path, struct error *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove %s", path);
	return 0;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

void file_list(const char *path, struct strv *ret)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strv_push(ret, entry->d_name);
	if (dir)
		closedir(dir);
	strv_sort(ret);
}
