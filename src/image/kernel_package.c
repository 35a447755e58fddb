// SPDX-License-Identifier: Apache-2.0
// A .deb is an ar archive of three members: the format's version, control.tar and data.tar.

#include "image/kernel_package.h"

#include "image/archives.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)256 << 20)

static la_ssize_t write_to_buf(struct archive *a, void *arg, const void *data, size_t len)
{
	(void)a;
	buf_add(arg, data, len);
	return (la_ssize_t)len;
}

// Writes one entry; data is NULL for a folder.
static int put_entry(struct archive *a, const char *name, int64_t epoch, const struct buf *data, struct error *err)
{
	cleanup_archive_entry struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, data ? AE_IFREG : AE_IFDIR);
	archive_entry_set_perm(e, data ? 0644 : 0755);
	archive_entry_set_size(e, data ? (int64_t)data->len : 0);
	archive_entry_set_mtime(e, epoch, 0);
	if (archive_write_header(a, e) != ARCHIVE_OK)
		return archive_error(a, name, err);
	if (data && data->len > 0 && archive_write_data(a, data->data, data->len) < 0)
		return archive_error(a, name, err);
	return 0;
}

static int list_folder(const char *path, struct strv *ret, struct error *err)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return error_set(err, errno, "open the folder %s", path);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			strv_push(ret, e->d_name);
	}
	closedir(d);
	strv_sort(ret);
	return 0;
}

static int put_folder(struct archive *a, const struct kernel_package_spec *spec, const char *name, struct error *err);

static int put_path(struct archive *a, const struct kernel_package_spec *spec, const char *name, struct error *err)
{
	cleanup_free char *path = path_join(spec->root, name);
	cleanup_buf struct buf data = BUF_INIT;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return error_set(err, errno, "look at %s", path);
	if (S_ISDIR(st.st_mode))
		return put_folder(a, spec, name, err);
	if (!S_ISREG(st.st_mode))
		return 0;
	r = file_read(path, FILE_MAX, &data, err);
	return r < 0 ? r : put_entry(a, name, spec->epoch, &data, err);
}

static int put_folder(struct archive *a, const struct kernel_package_spec *spec, const char *name, struct error *err)
{
	cleanup_free char *path = path_join(spec->root, name);
	cleanup_strv struct strv names = STRV_INIT;
	int r = list_folder(path, &names, err);

	if (r == 0)
		r = put_entry(a, name, spec->epoch, NULL, err);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		cleanup_free char *below = path_join(name, names.items[i]);

		r = put_path(a, spec, below, err);
	}
	return r;
}

static struct archive *open_tar(struct buf *out, bool compressed)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_ustar(a);
	if (compressed)
		archive_write_add_filter_zstd(a);
	archive_write_set_bytes_in_last_block(a, 1); // no padding behind the compressed stream
	archive_write_open(a, out, NULL, write_to_buf, NULL);
	return a;
}

static int close_archive(struct archive *a, const char *what, struct error *err)
{
	return archive_write_close(a) == ARCHIVE_OK ? 0 : archive_error(a, what, err);
}

static int make_control(const struct kernel_package_spec *spec, struct buf *ret, struct error *err)
{
	cleanup_archive_write struct archive *a = open_tar(ret, false);
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	buf_printf(&text,
		   "Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: Boot2Docker\n"
		   "Section: kernel\nPriority: optional\nDescription: Linux kernel of Boot2Docker\n",
		   spec->name, spec->version);
	r = put_entry(a, "./control", spec->epoch, &text, err);
	return r < 0 ? r : close_archive(a, "control.tar", err);
}

static int make_data(const struct kernel_package_spec *spec, struct buf *ret, struct error *err)
{
	cleanup_archive_write struct archive *a = open_tar(ret, true);
	int r = put_folder(a, spec, ".", err);

	return r < 0 ? r : close_archive(a, "data.tar", err);
}

int kernel_package_write(const struct kernel_package_spec *spec, const char *path, struct error *err)
{
	cleanup_archive_write struct archive *ar = archive_write_new();
	cleanup_buf struct buf out = BUF_INIT, version = BUF_INIT, control = BUF_INIT, data = BUF_INIT;
	int r;

	buf_puts(&version, "2.0\n");
	archive_write_set_format_ar_svr4(ar);
	archive_write_set_bytes_in_last_block(ar, 1);
	archive_write_open(ar, &out, NULL, write_to_buf, NULL);
	r = make_control(spec, &control, err);
	if (r == 0)
		r = make_data(spec, &data, err);
	if (r == 0)
		r = put_entry(ar, "debian-binary", spec->epoch, &version, err);
	if (r == 0)
		r = put_entry(ar, "control.tar", spec->epoch, &control, err);
	if (r == 0)
		r = put_entry(ar, "data.tar.zst", spec->epoch, &data, err);
	if (r == 0)
		r = close_archive(ar, path, err);
	return r < 0 ? error_wrap(err, "packing the kernel") : file_replace(path, out.data, out.len, 0644, err);
}
