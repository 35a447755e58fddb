// SPDX-License-Identifier: Apache-2.0
// Small untrusted tar archives.
#include "tar.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

// A field of octal digits, ended by NUL or blank, perhaps with blanks before it. False: something else.
static bool parse_field(const uint8_t *field, size_t len, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;
	bool digits = false;

	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
		value = value * 8 + (uint64_t)(field[i] - '0');
		digits = true;
	}
	if (!digits || (i < len && field[i] != '\0' && field[i] != ' '))
		return false;
	*ret = value;
	return true;
}

// The sum of the header's bytes, its own field taken as blanks.
static bool checksum_fits(const uint8_t *header)
{
	uint64_t stored, sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : header[i];
	return parse_field(header + 148, 8, &stored) && stored == sum;
}

static void join_name(const uint8_t *header, char *ret, size_t size)
{
	bool ustar = memcmp(header + 257, "ustar", 5) == 0;
	int prefix = ustar ? (int)strnlen((const char *)header + 345, 155) : 0;
	int name = (int)strnlen((const char *)header, 100);

	snprintf(ret, size, "%.*s%s%.*s", prefix, (const char *)header + 345, prefix ? "/" : "", name,
		 (const char *)header);
}

static bool is_zero(const uint8_t *block)
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

int tar_next(struct cursor *c, struct tar_member *ret, struct error *err)
{
	struct tar_member m = { .type = '0' };
	const uint8_t *header;

	if (c->left < TAR_BLOCK)
		return 0;
	header = cursor_bytes(c, TAR_BLOCK);
	if (!header || is_zero(header))
		return 0;
	if (!checksum_fits(header))
		return error_say(err, EBADMSG, "the tar archive is damaged: a header's checksum is wrong");
	join_name(header, m.name, sizeof(m.name));
	m.type = header[156] ? (char)header[156] : '0';
	if (!parse_field(header + 100, 8, &m.mode) || !parse_field(header + 124, 12, &m.size))
		return error_say(err, EBADMSG, "the tar archive is damaged: mode or size of %s is not a number",
				 m.name);
	if (!parse_field(header + 136, 12, &m.time))
		m.time = 0;
	if (m.size > c->left)
		return error_say(err, EBADMSG, "the tar archive is cut short: %s has %llu bytes of which %zu are there",
				 m.name, (unsigned long long)m.size, c->left);
	m.data = cursor_bytes(c, m.size);
	if (m.size % TAR_BLOCK) { // the padding of the last member may be cut off
		size_t pad = TAR_BLOCK - m.size % TAR_BLOCK;

		cursor_skip(c, pad < c->left ? pad : c->left);
	}
	*ret = m;
	return 1;
}

bool tar_has_magic(const void *data, size_t len)
{
	struct cursor c;
	struct tar_member m;

	cursor_init(&c, data, len);
	return tar_next(&c, &m, NULL) == 1 && strcmp(m.name, TAR_MAGIC_NAME) == 0;
}

// Opens the folder that `name` lies in, below `folder`, making what is missing. Symbolic links on the way are not followed.
static int open_parent(const struct tar_unpack *how, const char *name, const char **ret_base, struct error *err)
{
	cleanup_free char *parent = path_dir(name);

	*ret_base = path_base(name);
	return file_open_beneath(how->folder, parent, 0755, how->uid, how->gid, err);
}

static int make_folder(int dir, const char *base, const struct tar_unpack *how, mode_t mode, struct error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(dir, base, mode) < 0 && errno != EEXIST)
		return error_set(err, errno, "make folder %s", base);
	fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, how->uid, how->gid) < 0 || fchmod(fd, mode) < 0)
		return error_set(err, errno, "set owner and mode of folder %s", base);
	return 0;
}

static int make_file(int dir, const char *base, const struct tar_unpack *how, const struct tar_member *m,
		     struct error *err)
{
	cleanup_close int fd = -1;
	int r;

	unlinkat(dir, base, 0);
	fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, errno, "make file %s", m->name);
	r = file_write_fd(fd, m->name, m->data, m->size, err);
	if (r < 0)
		return r;
	if (fchown(fd, how->uid, how->gid) < 0 || fchmod(fd, m->mode & 0755) < 0)
		return error_set(err, errno, "set owner and mode of %s", m->name);
	return 0;
}

static int unpack_member(const struct tar_unpack *how, struct tar_member *m, struct error *err)
{
	cleanup_close int dir = -1;
	const char *base = m->name;
	size_t len = strlen(m->name);

	while (len > 1 && m->name[len - 1] == '/')
		m->name[--len] = '\0';
	if (strcmp(m->name, ".") == 0)
		return 0;
	if (m->type != '0' && m->type != '5')
		return error_say(err, EPERM, "neither a plain file nor a folder (type %c)", m->type);
	if (!path_is_safe_relative(m->name))
		return error_say(err, EPERM, "its name leads out of the folder");
	dir = open_parent(how, m->name, &base, err);
	if (dir < 0)
		return dir;
	return m->type == '5' ? make_folder(dir, base, how, m->mode & 0755, err) : make_file(dir, base, how, m, err);
}

int tar_unpack(const void *data, size_t len, const struct tar_unpack *how, struct error *err)
{
	struct cursor c;
	struct tar_member m;
	uint64_t total = 0;
	unsigned int members = 0;
	int made = 0, r;

	cursor_init(&c, data, len);
	while ((r = tar_next(&c, &m, err)) == 1) {
		struct error one = ERROR_INIT;

		total += m.size;
		if (total > how->size_max || ++members > how->members_max)
			return error_say(err, EFBIG, "the archive holds too much at %s", m.name);
		if (strcmp(m.name, TAR_MAGIC_NAME) == 0 || m.type == 'x' || m.type == 'g')
			continue; // says what the archive is for; extended attributes, which we do not need
		if (unpack_member(how, &m, &one) < 0)
			log_warn("%s: refused %s: %s", how->folder, m.name, one.msg);
		else
			made++;
	}
	return r < 0 ? r : made;
}
