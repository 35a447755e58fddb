// SPDX-License-Identifier: Apache-2.0
// The few things that every use of libarchive needs.

#include "image/archives.h"

#include "lib/alloc.h"
#include "lib/buf.h"

#include <errno.h>

#define BLOCK (256 << 10)

int archive_error(struct archive *a, const char *what, struct error *err)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	// libarchive has codes of its own below 0, and 84 (EILSEQ) for a damaged archive.
	return error_say(err, code > 0 ? code : EIO, "%s: %s", what, text ? text : "damaged archive");
}

int archive_entry_blob(struct archive *a, struct archive_entry *e, size_t max, struct blob **ret, struct error *err)
{
	cleanup_blob struct blob *b = NULL;
	int64_t size = archive_entry_size(e);
	size_t done = 0;

	if (size < 0 || (uint64_t)size > max)
		return error_say(err, EFBIG, "%s: size %lld is beyond the limit of %zu", archive_entry_pathname(e),
				 (long long)size, max);
	b = blob_new((size_t)size);
	while (done < b->size) {
		la_ssize_t n = archive_read_data(a, b->data + done, b->size - done);

		if (n < 0)
			return archive_error(a, archive_entry_pathname(e), err);
		if (n == 0)
			return error_say(err, EIO, "%s: ends early", archive_entry_pathname(e));
		done += (size_t)n;
	}
	*ret = take_ptr(b);
	return 0;
}

static int read_all(struct archive *a, const char *what, size_t max, struct buf *out, struct error *err)
{
	for (;;) {
		la_ssize_t n;

		buf_reserve(out, BLOCK);
		n = archive_read_data(a, out->data + out->len, BLOCK);
		if (n < 0)
			return archive_error(a, what, err);
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len > max)
			return error_say(err, EFBIG, "%s: unpacks to more than %zu bytes", what, max);
	}
}

int archive_decompress(const struct blob *packed, const char *what, size_t max, struct blob **ret, struct error *err)
{
	cleanup_archive_read struct archive *a = archive_read_new();
	cleanup_buf struct buf out = BUF_INIT;
	struct archive_entry *e;
	int r;

	archive_read_support_format_raw(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_gzip(a);
	if (archive_read_open_memory(a, packed->data, packed->size) != ARCHIVE_OK ||
	    archive_read_next_header(a, &e) != ARCHIVE_OK)
		return archive_error(a, what, err);
	r = read_all(a, what, max, &out, err);
	if (r < 0)
		return r;
	*ret = blob_from(out.data, out.len);
	return 0;
}
