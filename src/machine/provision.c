// SPDX-License-Identifier: Apache-2.0
// What the host hands to a machine; see provision.h.
#include "provision.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "profile.h"
#include "store.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { PROVISION_MAX = 1 << 20, MAGIC_TAR_MAX = 4096, DOCKER_UID = 1000, STAFF_GID = 50 };
enum { SEED_LEN = 64, HOST_KEY_MAX = 16 << 10, TAR_END = 1024 /* two blocks of zeros */ };

static const char MAGIC[] = "boot2docker, please format-me";

struct member {
	const char *name; // a name that ends with a slash is a folder
	const void *data;
	size_t len;
	mode_t mode;
};

struct tar {
	struct archive *archive;
	time_t now;
	int owner, group;
};

static void tar_done(struct tar *t)
{
	archive_write_free(t->archive);
}

static la_ssize_t tar_write(struct archive *a, void *into, const void *data, size_t len)
{
	(void)a;
	buf_add(into, data, len);
	return (la_ssize_t)len;
}

static int tar_error(const struct tar *t, struct error *err)
{
	return error_say(err, EIO, "write a tar: %s", archive_error_string(t->archive));
}

static int tar_open(struct tar *t, struct buf *into, struct error *err)
{
	t->archive = archive_write_new();
	if (!t->archive)
		return error_say(err, ENOMEM, "prepare a tar archive");
	archive_write_set_bytes_per_block(t->archive, 0); // no padding to 10 kB
	if (archive_write_set_format_ustar(t->archive) != ARCHIVE_OK ||
	    archive_write_open2(t->archive, into, NULL, tar_write, NULL, NULL) != ARCHIVE_OK)
		return tar_error(t, err);
	return 0;
}

static int tar_add(struct tar *t, const struct member *member, struct error *err)
{
	bool folder = member->name[strlen(member->name) - 1] == '/';
	struct archive_entry *entry = archive_entry_new();
	int r = 0;

	archive_entry_set_pathname(entry, member->name);
	archive_entry_set_filetype(entry, folder ? AE_IFDIR : AE_IFREG);
	archive_entry_set_perm(entry, member->mode);
	archive_entry_set_size(entry, (la_int64_t)member->len);
	archive_entry_set_mtime(entry, t->now, 0);
	archive_entry_set_uid(entry, t->owner);
	archive_entry_set_gid(entry, t->group);
	if (archive_write_header(t->archive, entry) != ARCHIVE_OK ||
	    (member->len && archive_write_data(t->archive, member->data, member->len) != (la_ssize_t)member->len))
		r = tar_error(t, err);
	archive_entry_free(entry);
	return r;
}

static int tar_close(struct tar *t, struct error *err)
{
	return archive_write_close(t->archive) == ARCHIVE_OK ? 0 : tar_error(t, err);
}

static int add_file(struct tar *t, const struct machine *m, const char *name, mode_t mode, struct error *err)
{
	cleanup_free char *path = machine_path(m, name);
	cleanup_buf struct buf text = BUF_INIT;
	int r = file_read(path, PROVISION_MAX / 8, &text, err);

	return r < 0 ? r : tar_add(t, &(struct member){ name, text.data, text.len, mode }, err);
}

static int add_identity(struct tar *t, const struct machine *m, struct error *err)
{
	cleanup_buf struct buf profile = BUF_INIT;
	cleanup_free char *hostname = xasprintf("%s\n", m->name);

	profile_write(m->config, &profile);
	int r = tar_add(t, &(struct member){ "profile", profile.data, profile.len, 0644 }, err);
	if (r == 0)
		r = tar_add(t, &(struct member){ "etc/", NULL, 0, 0755 }, err);
	if (r == 0)
		r = tar_add(t, &(struct member){ "etc/hostname", hostname, strlen(hostname), 0644 }, err);
	return r;
}

int provision_tar(const struct machine *m, bool certificates_only, time_t now, struct buf *ret, struct error *err)
{
	CLEANUP(tar_done) struct tar t = { .now = now };
	int r = tar_open(&t, ret, err);

	if (r == 0 && !certificates_only)
		r = add_identity(&t, m, err);
	if (r == 0)
		r = add_file(&t, m, "ca.pem", 0644, err);
	if (r == 0)
		r = add_file(&t, m, "server.pem", 0644, err);
	if (r == 0)
		r = add_file(&t, m, "server-key.pem", 0600, err);
	if (r == 0)
		r = tar_close(&t, err);
	if (r == 0 && ret->len > PROVISION_MAX)
		r = error_say(err, E2BIG,
			      "profile and certificates are larger than 1 MiB; give fewer --engine-… flags");
	return r < 0 ? error_wrap(err, "packing what machine \"%s\" is given", m->name) : 0;
}

static int add_host_key(struct tar *t, const char *key, struct error *err)
{
	cleanup_free char *public = xasprintf("%s.pub", key);
	cleanup_buf struct buf text = BUF_INIT, public_text = BUF_INIT;
	int r = file_read(key, HOST_KEY_MAX, &text, err);

	if (r == 0)
		r = file_read(public, HOST_KEY_MAX, &public_text, err);
	const struct member members[] = {
		{ "ssh/", NULL, 0, 0755 },
		{ "ssh/ssh_host_ed25519_key", text.data, text.len, 0600 },
		{ "ssh/ssh_host_ed25519_key.pub", public_text.data, public_text.len, 0644 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
		r = tar_add(t, &members[i], err);
	return r;
}

int provision_born(const struct buf *archive, const struct buf *userdata, const char *key, time_t now, struct buf *ret,
		   struct error *err)
{
	CLEANUP(tar_done) struct tar t = { .now = now };
	static const char zeros[TAR_END];
	unsigned char random[SEED_LEN];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_set(err, errno, "get random numbers");
	int r = tar_open(&t, ret, err);
	if (r == 0)
		r = tar_add(&t, &(struct member){ "random-seed", random, sizeof(random), 0600 }, err);
	if (r == 0 && userdata)
		r = tar_add(&t, &(struct member){ "userdata.tar", userdata->data, userdata->len, 0600 }, err);
	if (r == 0 && key)
		r = add_host_key(&t, key, err);
	if (r == 0)
		r = tar_close(&t, err);
	explicit_bzero(random, sizeof(random));
	if (r < 0)
		return r;
	assert(ret->len >= TAR_END);
	ret->len -= TAR_END; // the other goes on where this one would end
	buf_add(ret, archive->data, archive->len);
	if (ret->len > PROVISION_BORN_LEN)
		return error_say(err, E2BIG, "profile and certificates have more than %d bytes", PROVISION_BORN_LEN);
	while (ret->len < PROVISION_BORN_LEN) {
		size_t left = PROVISION_BORN_LEN - ret->len;
		buf_add(ret, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
	}
	return 0;
}

int provision_magic_tar(const char *public_key, time_t now, struct buf *ret, struct error *err)
{
	CLEANUP(tar_done) struct tar t = { .now = now, .owner = DOCKER_UID, .group = STAFF_GID };
	size_t key_len = strlen(public_key);
	const struct member members[] = {
		{ MAGIC, NULL, 0, 0644 }, // its name is what counts; without content all of the tar fits
		{ ".ssh/", NULL, 0, 0700 },
		{ ".ssh/authorized_keys", public_key, key_len, 0600 },
		{ ".ssh/authorized_keys2", public_key, key_len, 0600 },
	};
	int r = tar_open(&t, ret, err);

	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
		r = tar_add(&t, &members[i], err);
	if (r == 0)
		r = tar_close(&t, err);
	if (r == 0 && ret->len > MAGIC_TAR_MAX)
		r = error_say(err, E2BIG, "the public key is too long for the first %d bytes of a disk", MAGIC_TAR_MAX);
	return r;
}
