// SPDX-License-Identifier: Apache-2.0
// The profile of the older boot2docker tool; see older-profile.h.
//
// Of TOML it takes what that tool wrote: strings in double quotes (with escapes) or single quotes, whole numbers, true and false,
// comments, and sections, whose keys belong to drivers and are left out.
#include "older-profile.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define FIELD(name) offsetof(struct older_profile, name)
enum { PROFILE_MAX = 1 << 20, MB_MAX = 1 << 30, CPU_MAX = 1024, PORT_MAX = 65535 };

const struct option_row older_profile_rows[] = {
	{ "vm", 0, OPTION_STRING, FIELD(vm), NULL, "default", "NAME", "The machine" },
	{ "driver", 0, OPTION_STRING, FIELD(driver), NULL, "", "NAME", "Its driver" },
	{ "iso", 0, OPTION_STRING, FIELD(iso), NULL, "", "PATH", "The image" },
	{ "isourl", 0, OPTION_STRING, FIELD(iso_url), NULL, "", "URL", "Where the image comes from" },
	{ "sshkey", 0, OPTION_STRING, FIELD(ssh_key), NULL, "", "PATH", "Stored only: each machine has its own key" },
	{ "disksize", 's', OPTION_INT, FIELD(disk_size), NULL, "20000", "MB", "Size of the disk in MB", 0, MB_MAX },
	{ "memory", 'm', OPTION_INT, FIELD(memory), NULL, "1024", "MB", "Size of memory in MB", 0, MB_MAX },
	{ "cpus", 0, OPTION_INT, FIELD(cpus), NULL, "1", "N", "Number of processors", -1, CPU_MAX },
	{ "sshport", 0, OPTION_INT, FIELD(ssh_port), NULL, "0", "PORT", "SSH on 127.0.0.1 (0: a free port)", 0,
	  PORT_MAX },
	{ "dockerport", 0, OPTION_INT, FIELD(docker_port), NULL, "0", "PORT", "Docker on 127.0.0.1 (0: a free port)", 0,
	  PORT_MAX },
	{ "hostip", 0, OPTION_STRING, FIELD(host_ip), NULL, "", "ADDRESS",
	  "VirtualBox: this host on the host-only network" },
	{ "lowerip", 0, OPTION_STRING, FIELD(lower_ip), NULL, "", "ADDRESS", "Stored only" },
	{ "upperip", 0, OPTION_STRING, FIELD(upper_ip), NULL, "", "ADDRESS", "Stored only" },
	{ "netmask", 0, OPTION_STRING, FIELD(netmask), NULL, "", "MASK", "VirtualBox: mask of the host-only network" },
	{ "dhcpip", 0, OPTION_STRING, FIELD(dhcp_ip), NULL, "", "ADDRESS", "Stored only" },
	{ "dhcpenabled", 0, OPTION_BOOL, FIELD(dhcp_enabled), NULL, "true", NULL, "VirtualBox: a DHCP server on it" },
	{ 0 },
};

// As they stand in the file, in the order of the rows.
static const char *const keys[] = { "VM",      "Driver",  "ISO",     "ISOURL",     "SSHKey", "DiskSize",
				    "Memory",  "CPUs",    "SSHPort", "DockerPort", "HostIP", "LowerIP",
				    "UpperIP", "NetMask", "DHCPIP",  "DHCPEnabled" };
_Static_assert(ARRAY_SIZE(keys) + 1 == ARRAY_SIZE(older_profile_rows), "a key for each row");

char *older_profile_path(void)
{
	const char *path = getenv("BOOT2DOCKER_PROFILE");
	const char *dir = getenv("BOOT2DOCKER_DIR");
	const char *home = getenv("HOME");

	if (path && *path)
		return xstrdup(path);
	if (dir && *dir)
		return path_join(dir, "profile");
	return home && *home ? path_join(home, ".boot2docker/profile") : NULL;
}

// --- reading ---

// One line that is being read.
struct line {
	const char *at, *end;
};

static void skip_space(struct line *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
		l->at++;
}

static bool is_over(struct line *l)
{
	skip_space(l);
	return l->at == l->end || *l->at == '#';
}

static size_t word_length(const struct line *l)
{
	size_t len = 0;

	while (l->at + len < l->end && (isalnum((unsigned char)l->at[len]) || strchr("_-.+", l->at[len])) && l->at[len])
		len++;
	return len;
}

// What stands for an escaped character; 0: nothing that we know.
static char unescaped(char c)
{
	static const char from[] = "\"\\nt", to[] = "\"\\\n\t";
	const char *found = c ? strchr(from, c) : NULL;

	return found ? to[found - from] : '\0';
}

static int read_string(struct line *l, struct buf *ret, struct error *err)
{
	char quote = *l->at++;

	for (; l->at < l->end && *l->at != quote; l->at++) {
		char c = *l->at;
		if (quote == '"' && c == '\\')
			c = ++l->at < l->end ? unescaped(*l->at) : '\0';
		if (!c)
			return error_say(err, EINVAL, "an escape that is not known (in single quotes there is none)");
		buf_putc(ret, c);
	}
	if (l->at == l->end)
		return error_say(err, EINVAL, "the string has no closing %c", quote);
	l->at++;
	return 0;
}

static int read_value(struct line *l, struct buf *ret, struct error *err)
{
	skip_space(l);
	if (l->at < l->end && (*l->at == '"' || *l->at == '\''))
		return read_string(l, ret, err);
	size_t len = word_length(l);
	if (!len)
		return error_say(err, EINVAL, "a string in quotes, a number, true or false is expected");
	buf_add(ret, l->at, len);
	l->at += len;
	return 0;
}

static const struct option_row *find_row(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strlen(keys[i]) == len && strncasecmp(keys[i], key, len) == 0)
			return &older_profile_rows[i];
	return NULL;
}

static int read_setting(struct line *l, bool in_section, struct strv *ret, struct error *err)
{
	cleanup_buf struct buf value = BUF_INIT;
	const char *key = l->at;
	size_t len = word_length(l);
	const struct option_row *row = in_section ? NULL : find_row(key, len);

	l->at += len;
	skip_space(l);
	if (!len || l->at == l->end || *l->at != '=')
		return error_say(err, EINVAL, "it is KEY = VALUE");
	l->at++;
	if (!row)
		return 0; // of whatever type it is
	int r = read_value(l, &value, err);
	if (r < 0)
		return error_wrap(err, "%.*s", (int)len, key);
	if (!is_over(l))
		return error_say(err, EINVAL, "%.*s: something follows the value", (int)len, key);
	strv_pushf(ret, "--%s=%s", row->name, buf_str(&value));
	return 0;
}

int older_profile_parse(const char *text, size_t len, struct strv *ret_flags, struct error *err)
{
	const char *end = text + len;
	bool in_section = false;

	for (int number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct line l = { text, newline ? newline : end };
		int r = 0;
		if (!is_over(&l) && *l.at == '[')
			in_section = true;
		else if (!is_over(&l))
			r = read_setting(&l, in_section, ret_flags, err);
		if (r < 0)
			return error_wrap(err, "line %d", number);
		text = newline ? newline + 1 : end;
	}
	return 0;
}

int older_profile_read(struct strv *ret_flags, struct error *err)
{
	cleanup_free char *path = older_profile_path();
	cleanup_buf struct buf text = BUF_INIT;

	if (!path || !file_exists(path))
		return 0;
	int r = file_read(path, PROFILE_MAX, &text, err);
	if (r == 0) {
		r = older_profile_parse(buf_str(&text), text.len, ret_flags, err);
		if (r < 0)
			error_wrap(err, "the profile %s", path);
	}
	return r;
}

// --- writing ---

static void add_string(struct buf *b, const char *s)
{
	static const char special[] = "\"\\\n\t", letters[] = "\"\\nt";

	buf_putc(b, '"');
	for (; *s; s++) {
		const char *found = strchr(special, *s);
		if (found)
			buf_putc(b, '\\');
		buf_putc(b, found ? letters[found - special] : *s);
	}
	buf_putc(b, '"');
}

void older_profile_write(const struct older_profile *p, struct buf *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct option_row *row = &older_profile_rows[i];
		const void *field = (const char *)p + row->offset;
		buf_printf(ret, "%s = ", keys[i]);
		if (row->type == OPTION_INT)
			buf_printf(ret, "%d", *(const int *)field);
		else if (row->type == OPTION_BOOL)
			buf_puts(ret, *(const bool *)field ? "true" : "false");
		else
			add_string(ret, *(char *const *)field);
		buf_putc(ret, '\n');
	}
}
