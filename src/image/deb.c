// SPDX-License-Identifier: Apache-2.0
// The package reader: one libarchive reader for the ar, and a second one, fed from the first, for the tar in it.

#include "image/deb.h"

#include "image/archives.h"
#include "lib/alloc.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)1 << 30)
#define BLOCK (256 << 10)

struct reader {
	struct archive *ar;
	unsigned char block[BLOCK];
	const char *what;
	deb_want_fn want;
	void *want_arg;
	struct deb deb;
};

void deb_done(struct deb *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->entries[i].path);
		free(d->entries[i].target);
		blob_unref(d->entries[i].blob);
	}
	free(d->entries);
	*d = (struct deb){ .count = 0 };
}

// Debian 13 has /bin, /sbin, /lib and /lib64 as links into /usr; a package may still say the short name.
static char *normal_path(const char *name)
{
	static const char *const merged[] = { "bin", "sbin", "lib", "lib64" };
	char *path;
	size_t len;

	while (name[0] == '.' && name[1] == '/')
		name += 2;
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		size_t n = strlen(merged[i]);

		if (strncmp(name, merged[i], n) == 0 && name[n] == '/')
			return xasprintf("/usr/%s", name);
	}
	path = xasprintf("/%s", name);
	len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return path;
}

static int order_by_path(const void *a, const void *b)
{
	return strcmp(((const struct deb_entry *)a)->path, ((const struct deb_entry *)b)->path);
}

const struct deb_entry *deb_find(const struct deb *d, const char *path)
{
	struct deb_entry key = { .path = (char *)path };

	if (d->count == 0)
		return NULL;
	return bsearch(&key, d->entries, d->count, sizeof(key), order_by_path);
}

static la_ssize_t feed_from_ar(struct archive *tar, void *arg, const void **ret_block)
{
	struct reader *r = arg;
	la_ssize_t n = archive_read_data(r->ar, r->block, sizeof(r->block));

	if (n < 0)
		archive_set_error(tar, archive_errno(r->ar), "%s", archive_error_string(r->ar));
	*ret_block = r->block;
	return n;
}

// A hard link's bytes are those of an entry that came before it.
static int take_hard_link(struct reader *r, const char *target, struct deb_entry *ret, struct error *err)
{
	cleanup_free char *path = normal_path(target);

	for (size_t i = 0; i < r->deb.count; i++) {
		const struct deb_entry *e = &r->deb.entries[i];

		if (e->type != S_IFREG || strcmp(e->path, path) != 0)
			continue;
		ret->type = S_IFREG;
		ret->mode = e->mode;
		ret->size = e->size;
		ret->blob = e->blob ? blob_ref(e->blob) : NULL;
		return 0;
	}
	return error_say(err, EINVAL, "%s is a hard link to %s, which is not in the package", ret->path, path);
}

static int take_kind(struct reader *r, struct archive *tar, struct archive_entry *e, struct deb_entry *ret,
		     struct error *err)
{
	const char *hard_link = archive_entry_hardlink(e);

	ret->type = archive_entry_filetype(e);
	ret->mode = archive_entry_perm(e);
	ret->mtime = archive_entry_mtime(e);
	if (hard_link)
		return take_hard_link(r, hard_link, ret, err);
	switch (ret->type) {
	case S_IFDIR:
		return 0;
	case S_IFLNK:
		ret->target = xstrdup(archive_entry_symlink(e) ? archive_entry_symlink(e) : "");
		if (ret->target[0] == '\0')
			return error_say(err, EINVAL, "%s is a symbolic link to nothing", ret->path);
		return 0;
	case S_IFREG:
		ret->size = (size_t)archive_entry_size(e);
		if (r->want && r->want(ret->path, r->want_arg))
			return archive_entry_blob(tar, e, FILE_MAX, &ret->blob, err);
		return 0;
	default:
		return error_say(err, EINVAL, "%s is a device, socket or pipe, which no package should have",
				 ret->path);
	}
}

static int take_entry(struct reader *r, struct archive *tar, struct archive_entry *e, struct error *err)
{
	const char *name = archive_entry_pathname(e);
	struct deb_entry entry = { .path = NULL };
	struct deb one = { .entries = &entry, .count = 1 };
	int result;

	if (name && (strcmp(name, "./") == 0 || strcmp(name, ".") == 0))
		return 0;
	if (!name || !path_is_safe_relative(name))
		return error_say(err, EINVAL, "has a file named \"%s\", which leaves its root; refused",
				 name ? name : "");
	entry.path = normal_path(name);
	result = take_kind(r, tar, e, &entry, err);
	if (result < 0) {
		free(one.entries->path);
		free(one.entries->target);
		return result;
	}
	if ((r->deb.count & (r->deb.count + 1)) == 0)
		r->deb.entries = xreallocarray(r->deb.entries, (r->deb.count + 1) * 2, sizeof(entry));
	r->deb.entries[r->deb.count++] = entry;
	return 0;
}

static int read_tar(struct reader *r, struct error *err)
{
	cleanup_archive_read struct archive *tar = archive_read_new();
	struct archive_entry *e;
	int result;

	archive_read_support_format_tar(tar);
	archive_read_support_format_empty(tar);
	archive_read_support_filter_xz(tar);
	archive_read_support_filter_zstd(tar);
	archive_read_support_filter_gzip(tar);
	if (archive_read_open(tar, r, NULL, feed_from_ar, NULL) != ARCHIVE_OK)
		return archive_error(tar, "data.tar", err);
	while ((result = archive_read_next_header(tar, &e)) == ARCHIVE_OK) {
		result = take_entry(r, tar, e, err);
		if (result < 0)
			return result;
	}
	return result == ARCHIVE_EOF ? 0 : archive_error(tar, "data.tar", err);
}

static int read_ar(struct reader *r, struct error *err)
{
	struct archive_entry *e;
	int result;

	while ((result = archive_read_next_header(r->ar, &e)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(e);

		if (name && strncmp(name, "data.tar", strlen("data.tar")) == 0)
			return read_tar(r, err);
	}
	if (result == ARCHIVE_EOF)
		return error_say(err, EINVAL, "is not a Debian package: it has no data.tar");
	return archive_error(r->ar, "not a Debian package", err);
}

static int read_package(struct reader *r, struct deb *ret, struct error *err)
{
	int result = read_ar(r, err);

	if (result < 0) {
		deb_done(&r->deb);
		return error_wrap(err, "%s", r->what);
	}
	if (r->deb.count > 0)
		qsort(r->deb.entries, r->deb.count, sizeof(*r->deb.entries), order_by_path);
	*ret = r->deb;
	return 0;
}

static struct reader *reader_new(const char *what, deb_want_fn want, void *arg)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	*r = (struct reader){ .ar = archive_read_new(), .what = what, .want = want, .want_arg = arg };
	archive_read_support_format_ar(r->ar);
	return r;
}

static void reader_free(struct reader *r)
{
	archive_read_free(r->ar);
	free(r);
}

int deb_read(const char *path, deb_want_fn want, void *arg, struct deb *ret, struct error *err)
{
	struct reader *r = reader_new(path_base(path), want, arg);
	int result;

	if (archive_read_open_filename(r->ar, path, BLOCK) != ARCHIVE_OK)
		result = archive_error(r->ar, path, err);
	else
		result = read_package(r, ret, err);
	reader_free(r);
	return result;
}

int deb_read_memory(const void *data, size_t len, const char *what, deb_want_fn want, void *arg, struct deb *ret,
		    struct error *err)
{
	struct reader *r = reader_new(what, want, arg);
	int result;

	if (archive_read_open_memory(r->ar, data, len) != ARCHIVE_OK)
		result = archive_error(r->ar, what, err);
	else
		result = read_package(r, ret, err);
	reader_free(r);
	return result;
}
