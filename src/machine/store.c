// SPDX-License-Identifier: Apache-2.0
// The store of machines; see store.h.
#include "store.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/lock.h"
#include "lib/path.h"
#include "migrate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX = 4 << 20, LOCK_TIMEOUT_MS = 10 * 1000 };

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool machine_name_is_valid(const char *name)
{
	if (!is_name_char(*name))
		return false;
	for (; *name; name++)
		if (!is_name_char(*name) && *name != '-' && *name != '.')
			return false;
	return true;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

static int compare_numbers(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	size_t la = digits(*a), lb = digits(*b);
	int order = la != lb ? (la < lb ? -1 : 1) : strncmp(*a, *b, la);
	*a += la;
	*b += lb;
	return order;
}

int natural_compare(const char *a, const char *b)
{
	const char *whole_a = a, *whole_b = b;

	while (*a && *b) {
		int order;
		if (digits(a) && digits(b))
			order = compare_numbers(&a, &b);
		else
			order = tolower((unsigned char)*a++) - tolower((unsigned char)*b++);
		if (order)
			return order;
	}
	if (*a || *b)
		return *a ? 1 : -1;
	return strcmp(whole_a, whole_b);
}

struct machine *machine_new(const struct context *ctx, const char *name)
{
	struct machine *m = xcalloc(1, sizeof(*m));

	m->ctx = ctx;
	m->name = xstrdup(name);
	m->dir = xasprintf("%s/machines/%s", ctx->storage_path, name);
	m->config = json_object();
	return m;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	json_decref(m->config);
	free(m->dir);
	free(m->name);
	free(m);
}

void machine_cleanup(struct machine **m)
{
	machine_free(*m);
}

char *machine_path(const struct machine *m, const char *file)
{
	return path_join(m->dir, file);
}

bool machine_exists(const struct context *ctx, const char *name)
{
	struct stat st;

	if (!machine_name_is_valid(name))
		return false;
	cleanup_free char *dir = xasprintf("%s/machines/%s", ctx->storage_path, name);
	return lstat(dir, &st) == 0;
}

// What becomes a word of ssh's command line or of its configuration must not be an option or a line of its own.
static int check_words(const json_t *config, const char *path, struct error *err)
{
	static const char *const fields[] = { "Driver.SSHUser", "Driver.IPAddress", "Driver.SSHKeyPath" };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *word = json_str_at(config, fields[i], "");
		bool is_strange = *word == '-';
		for (const char *c = word; *c; c++)
			is_strange |= (unsigned char)*c < ' ' || *c == 0x7f || (*c == ' ' && fields[i] != fields[2]);
		if (is_strange)
			return error_say(err, EBADMSG, "%s has a %s that cannot be one", path, fields[i]);
	}
	return 0;
}

int machine_load(const struct context *ctx, const char *name, struct machine **ret, struct error *err)
{
	json_t *config;

	if (!machine_exists(ctx, name))
		return error_say(err, ENOENT,
				 "Docker machine \"%s\" does not exist. Use \"%s ls\" to list machines. "
				 "Use \"%s create\" to add a new one.",
				 name, ctx->program, ctx->program);
	cleanup_machine struct machine *m = machine_new(ctx, name);
	cleanup_free char *path = machine_path(m, "config.json");
	int r = json_read_file(path, CONFIG_MAX, &config, err);
	if (r < 0)
		goto damaged;
	json_decref(m->config);
	m->config = config;
	if (!json_is_object(config) || !json_is_object(json_at(config, "Driver"))) {
		r = error_say(err, EBADMSG, "%s has no object \"Driver\"", path);
		goto damaged;
	}
	r = check_words(config, path, err);
	if (r < 0)
		goto damaged;
	migrate_config(m);
	m->driver = driver_find(json_str_at(config, "DriverName", ""));
	*ret = take_ptr(m);
	return 0;
damaged:
	error_wrap(err, "machine \"%s\" is damaged (\"%s rm -f %s\" removes it)", name, ctx->program, name);
	return r == -ENOENT ? -EBADMSG : r; // the folder is there, so the machine is
}

int machine_save(const struct machine *m, struct error *err)
{
	cleanup_free char *path = machine_path(m, "config.json");

	return json_write_file(path, m->config, 0600, err);
}

static int by_name(const void *a, const void *b)
{
	return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

int machine_list(const struct context *ctx, struct strv *ret_names, struct error *err)
{
	cleanup_free char *path = path_join(ctx->storage_path, "machines");
	DIR *dir = opendir(path);

	if (!dir)
		return errno == ENOENT ? 0 : error_set(err, errno, "list machines in %s", path);
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (machine_name_is_valid(entry->d_name) && entry->d_type != DT_REG)
			strv_push(ret_names, entry->d_name);
	closedir(dir);
	if (ret_names->count)
		qsort(ret_names->items, ret_names->count, sizeof(char *), by_name);
	return 0;
}

int machine_lock(const struct context *ctx, const char *name, int *ret_fd, struct error *err)
{
	cleanup_free char *dir = path_join(ctx->storage_path, "locks");
	cleanup_free char *path = path_join(dir, name);
	int r = file_mkdirs(dir, 0700, err);

	if (r == 0)
		r = lock_take(path, LOCK_TIMEOUT_MS, ret_fd, err);
	return r == -EWOULDBLOCK
		       ? error_say(err, EWOULDBLOCK,
				   "another command is working on machine \"%s\"; try again when it has ended", name)
		       : r;
}
