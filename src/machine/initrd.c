// SPDX-License-Identifier: Apache-2.0
// Splits an initrd; see initrd.h.
#include "initrd.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define SUFFIX ".squashfs"
#define SERIAL "layer-"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789.-"

enum { BLOCK = 256 << 10, NAME_MAX_LEN = 14 }; // a serial number of virtio-blk has 20 bytes
enum { LAYERS_MAX = 8 };
static const la_int64_t LAYER_SIZE_MAX = 2LL << 30;
static const la_int64_t INITRD_MAX = 4LL << 30; // all that is unpacked

// What is read and what is written.
struct split {
	struct archive *in, *out;
	const char *into;
	la_int64_t bytes;
	int layers;
};

static void split_done(struct split *s)
{
	archive_read_free(s->in);
	archive_write_free(s->out);
}

bool initrd_is_layer(const char *file)
{
	size_t len = strlen(file);

	return file[0] != '.' && strspn(file, NAME_CHARACTERS) == len && len > strlen(SUFFIX) &&
	       strcmp(file + len - strlen(SUFFIX), SUFFIX) == 0;
}

char *initrd_layer_serial(const char *file)
{
	return xasprintf(SERIAL "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
}

// The layer's file name when the entry is one, else NULL.
static const char *layer_name(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	if (!name)
		return NULL;
	name += strspn(name, "./");
	if (strncmp(name, "layers/", 7) != 0 || archive_entry_filetype(entry) != AE_IFREG)
		return NULL;
	return initrd_is_layer(name + 7) ? name + 7 : NULL;
}

static int damaged(struct archive *a, struct error *err)
{
	return error_say(err, EBADMSG, "the image's initrd is damaged: %s", archive_error_string(a));
}

static int count_bytes(struct split *s, size_t len, struct error *err)
{
	s->bytes += (la_int64_t)len;
	return s->bytes > INITRD_MAX ? error_say(err, EFBIG, "the image's initrd unpacks to more than 4 GB") : 0;
}

static int save_layer(struct split *s, const char *name, struct error *err)
{
	cleanup_free char *path = path_join(s->into, name);
	cleanup_free char *block = xmalloc(BLOCK);
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	la_int64_t total = 0;
	la_ssize_t n;
	int r;

	if (strlen(name) - strlen(SUFFIX) > NAME_MAX_LEN || ++s->layers > LAYERS_MAX)
		return error_say(err, EBADMSG,
				 "the image's initrd has more than %d layers, or a layer %s, a name too long",
				 LAYERS_MAX, name);
	r = file_writer_open(&w, path, 0644, err);
	while (r == 0 && (n = archive_read_data(s->in, block, BLOCK)) != 0) {
		if (n < 0)
			return damaged(s->in, err);
		total += n;
		if (total > LAYER_SIZE_MAX)
			return error_say(err, EFBIG, "layer %s of the image is larger than 2 GB", name);
		r = file_write_fd(w.fd, path, block, (size_t)n, err);
	}
	return r < 0 ? r : file_writer_commit(&w, err);
}

static int copy_data(struct split *s, struct error *err)
{
	cleanup_free char *block = xmalloc(BLOCK);
	la_ssize_t n;

	while ((n = archive_read_data(s->in, block, BLOCK)) > 0) {
		int r = count_bytes(s, (size_t)n, err);

		if (r < 0)
			return r;
		if (archive_write_data(s->out, block, (size_t)n) != n)
			return error_say(err, EIO, "write the initrd: %s", archive_error_string(s->out));
	}
	return n < 0 ? damaged(s->in, err) : 0;
}

// The image says that its engine goes on in a machine that is born from a template.
static bool is_template_mark(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name && strcmp(name, "boot/templates") == 0;
}

static int mark_templates(const struct split *s, struct error *err)
{
	cleanup_free char *path = path_join(s->into, INITRD_TEMPLATES);

	return file_replace(path, "", 0, 0644, err);
}

static int split_entry(struct split *s, struct archive_entry *entry, struct error *err)
{
	const char *layer = layer_name(entry);
	int r = is_template_mark(entry) ? mark_templates(s, err) : 0;

	if (r < 0)
		return r;
	if (layer) {
		r = save_layer(s, layer, err);
		archive_entry_set_size(entry, 0);
	}
	if (r == 0 && archive_write_header(s->out, entry) != ARCHIVE_OK)
		r = error_say(err, EIO, "write the initrd: %s", archive_error_string(s->out));
	return r < 0 || layer ? r : copy_data(s, err);
}

// Starts with `entry`, the first.
static int split_entries(struct split *s, struct archive_entry *entry, struct error *err)
{
	int status = ARCHIVE_OK, r = 0;

	while (r == 0 && status != ARCHIVE_EOF) {
		r = status == ARCHIVE_OK ? split_entry(s, entry, err) : damaged(s->in, err);
		if (r == 0)
			status = archive_read_next_header(s->in, &entry);
	}
	if (r == 0 && archive_write_close(s->out) != ARCHIVE_OK)
		r = error_say(err, EIO, "write the initrd: %s", archive_error_string(s->out));
	return r;
}

int initrd_split(const char *initrd, const char *into, struct error *err)
{
	CLEANUP(split_done) struct split s = { .in = archive_read_new(), .out = archive_write_new(), .into = into };
	cleanup_free char *rest = path_join(into, "initrd.img");
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	struct archive_entry *first;
	int r;

	archive_read_support_format_cpio(s.in);
	archive_read_support_filter_xz(s.in);
	archive_read_support_filter_zstd(s.in);
	if (archive_read_open_filename(s.in, initrd, BLOCK) != ARCHIVE_OK ||
	    archive_read_next_header(s.in, &first) != ARCHIVE_OK)
		return file_copy(initrd, rest, 0644, err); // none of ours
	r = file_writer_open(&w, rest, 0644, err);
	if (r < 0)
		return r;
	archive_write_set_format_cpio_newc(s.out);
	archive_write_set_bytes_in_last_block(s.out, 1);
	if (archive_write_open_fd(s.out, w.fd) != ARCHIVE_OK)
		return error_say(err, EIO, "write %s: %s", rest, archive_error_string(s.out));
	r = split_entries(&s, first, err);
	return r < 0 ? r : file_writer_commit(&w, err);
}
