// SPDX-License-Identifier: Apache-2.0
// Where a machine's system comes from; see image.h.
//
// Kernel and initrd are taken out of the ISO, so that a hypervisor can be handed them: that saves the boot loader and
// its slow reads from a CD. The ISO is foreign bytes: only two names are looked for, only plain files are taken, and
// their size is bounded.
#include "image.h"

#include "fetch.h"
#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "store.h"
#include "system.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { ISO_BLOCK = 64 << 10, ISO_LABEL_AT = 0x8028, ISO_LABEL_LEN = 32 };
static const la_int64_t BOOT_FILE_MAX = 1LL << 30;
static const char INSTALLED_ISO[] = B2D_DATADIR "/boot2docker.iso";

static const struct boot_file {
	const char *in_iso, *name;
} boot_files[] = {
	{ "boot/vmlinuz", SYSTEM_KERNEL },
	{ "boot/initrd.img", SYSTEM_INITRD },
};

char *image_cache_path(const struct context *ctx)
{
	return path_join(ctx->storage_path, "cache/boot2docker.iso");
}

// The default: $B2D_ISO, else the installed image, else the cached one. The caller frees.
static char *default_source(const struct context *ctx)
{
	const char *from_env = getenv("B2D_ISO");
	cleanup_free char *cached = image_cache_path(ctx);

	if (from_env && *from_env)
		return xstrdup(from_env);
	return file_exists(INSTALLED_ISO) || !file_exists(cached) ? xstrdup(INSTALLED_ISO) : take_ptr(cached);
}

static int check_path(const char *path, struct error *err)
{
	if (strstr(path, "://"))
		return error_say(err, EPROTONOSUPPORT,
				 "cannot fetch %s: an image comes from a path, or by file://, http:// or https://",
				 path);
	if (access(path, R_OK) < 0)
		return error_set(
			err, errno,
			"no image at %s (build one with \"make iso\", or name one with $B2D_ISO or the flag of "
			"the driver)",
			path);
	return 0;
}

// What the user gave, or the default, without file://. The caller frees.
static char *named_source(const struct context *ctx, const char *url)
{
	cleanup_free char *given = url && *url ? xstrdup(url) : default_source(ctx);

	return xstrdup(strncmp(given, "file://", 7) == 0 ? given + 7 : given);
}

char *image_download_path(const struct context *ctx, const char *url)
{
	struct digest *d = digest_new();
	char name[DIGEST_HEX_LEN];

	digest_add(d, url, strlen(url));
	digest_finish(d, name);
	return xasprintf("%s/cache/downloads/%.16s.iso", ctx->storage_path, name);
}

static int download(const struct context *ctx, const char *url, char **ret_path, struct error *err)
{
	cleanup_free char *address = NULL;
	int r = fetch_release_url(url, &address, err);

	if (r < 0)
		return r;
	cleanup_free char *path = image_download_path(ctx, address);
	log_info("Fetching %s...", address);
	r = fetch_file(address, path, err);
	if (r == 0)
		*ret_path = take_ptr(path);
	return r;
}

// The local path of what the user gave, or of the default; what is on the web is fetched. The caller frees.
static int find_source(const struct context *ctx, const char *url, char **ret, struct error *err)
{
	cleanup_free char *source = named_source(ctx, url);

	if (fetch_is_url(source))
		return download(ctx, source, ret, err);
	int r = check_path(source, err);
	if (r == 0)
		*ret = take_ptr(source);
	return r;
}

int image_check(const struct context *ctx, const char *url, struct error *err)
{
	cleanup_free char *source = named_source(ctx, url);

	return fetch_is_url(source) ? 0 : check_path(source, err);
}

int image_prepare(const struct context *ctx, const char *url, struct error *err)
{
	cleanup_free char *source = NULL;

	return find_source(ctx, url, &source, err);
}

int image_download(const struct context *ctx, const char *url, struct error *err)
{
	cleanup_free char *source = NULL;
	cleanup_free char *cached = image_cache_path(ctx);
	cleanup_free char *dir = path_dir(cached);
	char version[IMAGE_VERSION_LEN];

	int r = find_source(ctx, url, &source, err);
	if (r == 0)
		r = image_version(source, version, err);
	if (r == 0)
		r = file_mkdirs(dir, 0700, err);
	if (r == 0)
		r = file_copy(source, cached, 0644, err);
	if (r == 0)
		log_info("%s is %s", cached, *version ? version : "an image without a version");
	return r;
}

int image_version(const char *iso, char ret[IMAGE_VERSION_LEN], struct error *err)
{
	char label[IMAGE_VERSION_LEN] = "";
	cleanup_close int fd = open(iso, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", iso);
	if (pread(fd, label, ISO_LABEL_LEN, ISO_LABEL_AT) != ISO_LABEL_LEN)
		return error_say(err, EBADMSG, "%s is not an ISO image", iso);
	for (size_t len = ISO_LABEL_LEN; len && (label[len - 1] == ' ' || !label[len - 1]); len--)
		label[len - 1] = '\0';
	const char *version = strstr(label, "-v");
	snprintf(ret, IMAGE_VERSION_LEN, "%s", version ? version + 1 : "");
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
	return 0;
}

// archive_entry_pathname without "./", "/".
static const char *entry_name(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	if (!name)
		return "";
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	return name + (*name == '/');
}

static int save_entry(struct archive *a, struct archive_entry *entry, const char *path, struct error *err)
{
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	la_int64_t size = archive_entry_size(entry);
	const void *data;
	size_t len;
	la_int64_t offset;
	int status;

	if (archive_entry_filetype(entry) != AE_IFREG || size <= 0 || size > BOOT_FILE_MAX)
		return error_say(err, EBADMSG, "%s in the image is not a file of a sensible size", entry_name(entry));
	int r = file_writer_open(&w, path, 0644, err);
	if (r < 0)
		return r;
	while ((status = archive_read_data_block(a, &data, &len, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || offset + (la_int64_t)len > size)
			return error_say(err, EBADMSG, "%s in the image is damaged", entry_name(entry));
		if (lseek(w.fd, offset, SEEK_SET) < 0)
			return error_set(err, errno, "write %s", path);
		r = file_write_fd(w.fd, path, data, len, err);
		if (r < 0)
			return r;
	}
	if (status != ARCHIVE_EOF)
		return error_say(err, EBADMSG, "%s in the image cannot be read: %s", entry_name(entry),
				 archive_error_string(a));
	return file_writer_commit(&w, err);
}

static void archive_cleanup(struct archive **a)
{
	archive_read_free(*a);
}

int image_extract(const char *iso, const char *into_dir, struct error *err)
{
	CLEANUP(archive_cleanup) struct archive *a = archive_read_new();
	bool found[ARRAY_SIZE(boot_files)] = { false };
	struct archive_entry *entry;
	int r = 0;

	archive_read_support_format_iso9660(a);
	if (archive_read_open_filename(a, iso, ISO_BLOCK) != ARCHIVE_OK)
		return error_say(err, EBADMSG, "%s is not an ISO image: %s", iso, archive_error_string(a));
	while (r == 0 && archive_read_next_header(a, &entry) == ARCHIVE_OK)
		for (size_t i = 0; i < ARRAY_SIZE(boot_files) && r == 0; i++)
			if (!found[i] && strcasecmp(entry_name(entry), boot_files[i].in_iso) == 0) {
				cleanup_free char *path = path_join(into_dir, boot_files[i].name);
				r = save_entry(a, entry, path, err);
				found[i] = true;
			}
	for (size_t i = 0; i < ARRAY_SIZE(boot_files) && r == 0; i++)
		if (!found[i])
			r = error_say(err, EBADMSG,
				      "%s has no /%s: it is not an image of Boot2Docker, or it is damaged", iso,
				      boot_files[i].in_iso);
	return r;
}

static int copy_folder(const char *source, const char *into_dir, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(boot_files) && r == 0; i++) {
		cleanup_free char *from = path_join(source, boot_files[i].name);
		cleanup_free char *to = path_join(into_dir, boot_files[i].name);
		r = file_copy(from, to, 0644, err);
	}
	return r;
}

// A digest of both files.
static int digest_folder(const char *folder, char ret_hex[DIGEST_HEX_LEN], struct error *err)
{
	cleanup_free char *kernel = path_join(folder, SYSTEM_KERNEL);
	cleanup_free char *initrd = path_join(folder, SYSTEM_INITRD);
	char parts[2][DIGEST_HEX_LEN];
	struct digest *d;
	int r = digest_file(kernel, parts[0], err);

	if (r == 0)
		r = digest_file(initrd, parts[1], err);
	if (r < 0)
		return r;
	d = digest_new();
	digest_add(d, parts, sizeof(parts));
	digest_finish(d, ret_hex);
	return 0;
}

// Brings the cached image up to date with the source: the same size and not older is taken as the same.
static int refresh_cache(const char *cached, const char *source, const struct stat *is, struct error *err)
{
	cleanup_free char *dir = path_dir(cached);
	struct stat was;

	if (strcmp(cached, source) == 0 ||
	    (stat(cached, &was) == 0 && was.st_size == is->st_size && was.st_mtime >= is->st_mtime))
		return 0;
	int r = file_mkdirs(dir, 0700, err);
	return r < 0 ? r : file_copy(source, cached, 0644, err);
}

// Files in the store are only ever replaced, never changed, so the machine's ISO can be the cache's file itself.
static int link_or_copy(const char *from, const char *to, struct error *err)
{
	return link(from, to) == 0 ? 0 : file_copy(from, to, 0644, err);
}

static int copy_iso(const struct machine *m, const char *source, const struct stat *st, bool is_default,
		    struct error *err)
{
	cleanup_free char *iso = machine_path(m, "boot2docker.iso");
	cleanup_free char *cached = image_cache_path(m->ctx);
	int r;

	if (is_default) {
		r = refresh_cache(cached, source, st, err);
		if (r == 0)
			r = link_or_copy(cached, iso, err);
	} else {
		r = file_copy(source, iso, 0644, err);
	}
	return r;
}

static int find_file(const struct context *ctx, const char *url, char **ret_path, struct stat *ret, struct error *err)
{
	cleanup_free char *source = NULL;
	int r = find_source(ctx, url, &source, err);

	if (r < 0)
		return r;
	if (stat(source, ret) < 0)
		return error_set(err, errno, "read %s", source);
	*ret_path = take_ptr(source);
	return 0;
}

int image_install_iso(const struct machine *m, const char *url, struct error *err)
{
	cleanup_free char *source = NULL;
	struct stat st;

	int r = find_file(m->ctx, url, &source, &st, err);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return error_say(err, EISDIR, "%s is a folder; this driver boots from an ISO: name that", source);
	return copy_iso(m, source, &st, !url || !*url, err);
}

int image_install(const struct machine *m, const char *url, struct error *err)
{
	cleanup_free char *iso = machine_path(m, "boot2docker.iso");
	cleanup_free char *source = NULL;
	char digest[DIGEST_HEX_LEN];
	struct stat st;

	int r = find_file(m->ctx, url, &source, &st, err);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode)) {
		r = digest_folder(source, digest, err);
		return r < 0 ? r : system_install(m, digest, copy_folder, source, err);
	}
	r = copy_iso(m, source, &st, !url || !*url, err);
	if (r == 0)
		r = digest_file(iso, digest, err);
	if (r == 0)
		r = fetch_check_beside(source, digest, err);
	return r < 0 ? r : system_install(m, digest, image_extract, iso, err);
}
