// SPDX-License-Identifier: Apache-2.0
// Kconfig drops what it cannot grant without a word (a dependency is off, an option was renamed), hence the check afterwards.

#include "image/kernel_config.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define FRAGMENT_MAX (1 << 20)

void kernel_config_done(struct kernel_config *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->items[i].name);
		free(c->items[i].value);
		free(c->items[i].where);
	}
	free(c->items);
	*c = (struct kernel_config){ .count = 0 };
}

static struct kernel_option *find_option(const struct kernel_config *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->items[i].name, name) == 0)
			return &c->items[i];
	}
	return NULL;
}

static size_t name_length(const char *text)
{
	if (strncmp(text, "CONFIG_", 7) != 0)
		return 0;
	return 7 + strspn(text + 7, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
}

// "…", where \ takes the next character as it is.
static bool is_string(const char *text)
{
	size_t i = 1;

	while (text[i] && text[i] != '"')
		i += text[i] == '\\' && text[i + 1] ? 2 : 1;
	return text[i] == '"' && text[i + 1] == '\0';
}

static bool is_value(const char *text)
{
	size_t len = strlen(text);

	if (strcmp(text, "y") == 0 || strcmp(text, "m") == 0 || strcmp(text, "n") == 0)
		return true;
	if (text[0] == '"')
		return is_string(text);
	if (strncmp(text, "0x", 2) == 0)
		return len > 2 && strspn(text + 2, "0123456789abcdefABCDEF") == len - 2;
	if (text[0] == '-')
		return len > 1 && strspn(text + 1, "0123456789") == len - 1;
	return len > 0 && strspn(text, "0123456789") == len;
}

// Takes a line apart. False when it sets no option: a comment, or something foreign.
static bool parse_line(const char *line, char **ret_name, const char **ret_value)
{
	static const char unset[] = " is not set";
	bool is_comment = strncmp(line, "# ", 2) == 0;
	const char *name = is_comment ? line + 2 : line;
	size_t len = name_length(name);

	if (len <= 7)
		return false;
	if (is_comment ? strcmp(name + len, unset) != 0 : name[len] != '=' || !is_value(name + len + 1))
		return false;
	*ret_name = xstrndup(name, len);
	*ret_value = is_comment ? "n" : name + len + 1;
	return true;
}

// Takes over what it is given.
static int set_option(struct kernel_config *c, struct kernel_option new, bool override, struct error *err)
{
	struct kernel_option *old = find_option(c, new.name);
	int r = 0;

	if (!old) {
		c->items = xreallocarray(c->items, c->count + 1, sizeof(*c->items));
		c->items[c->count++] = new;
		return 0;
	}
	if (override) {
		struct kernel_option former = *old;

		*old = new;
		new = former;
	} else if (strcmp(old->value, new.value) != 0) {
		r = error_say(err, EINVAL, "%s: %s=%s contradicts %s, which says %s; remove one of them", new.where,
			      new.name, new.value, old->where, old->value);
	}
	free(new.name);
	free(new.value);
	free(new.where);
	return r;
}

static int add_line(struct kernel_config *c, const char *what, size_t number, const char *line, bool override,
		    struct error *err)
{
	const char *value;
	char *name;

	if (parse_line(line, &name, &value))
		return set_option(c,
				  (struct kernel_option){ .name = name,
							  .value = xstrdup(value),
							  .where = xasprintf("%s:%zu", what, number) },
				  override, err);
	if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
		return 0;
	return error_say(err, EINVAL, "%s:%zu: \"%s\" is neither CONFIG_NAME=VALUE nor \"# CONFIG_NAME is not set\"",
			 what, number, line);
}

int kernel_config_add(struct kernel_config *c, const char *what, const char *text, size_t len, bool override,
		      struct error *err)
{
	const char *end = text + len;
	int r = 0;

	for (size_t number = 1; r == 0 && text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_len = (size_t)((newline ? newline : end) - text);
		cleanup_free char *line = xstrndup(text, line_len);

		if (strlen(line) != line_len)
			return error_say(err, EINVAL, "%s:%zu: a NUL byte", what, number);
		r = add_line(c, what, number, line, override, err);
		text += line_len + 1;
	}
	return r;
}

static int list_fragments(const char *folder, struct strv *ret, struct error *err)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	if (!d)
		return error_set(err, errno, "open the folder %s", folder);
	while ((e = readdir(d))) {
		const char *suffix = strrchr(e->d_name, '.');

		if (suffix && suffix != e->d_name && strcmp(suffix, ".config") == 0)
			strv_push(ret, e->d_name);
	}
	closedir(d);
	strv_sort(ret);
	if (ret->count == 0)
		return error_say(err, ENOENT, "%s has no file that ends in .config", folder);
	return 0;
}

int kernel_config_add_folder(struct kernel_config *c, const char *folder, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = list_fragments(folder, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		cleanup_free char *path = path_join(folder, names.items[i]);
		cleanup_buf struct buf text = BUF_INIT;

		r = file_read(path, FRAGMENT_MAX, &text, err);
		if (r == 0)
			r = kernel_config_add(c, names.items[i], buf_str(&text), text.len, false, err);
	}
	return r;
}

void kernel_config_write(const struct kernel_config *c, struct buf *ret)
{
	for (size_t i = 0; i < c->count; i++)
		buf_printf(ret, "%s=%s\n", c->items[i].name, c->items[i].value);
}

static int describe_failure(const struct kernel_option *wanted, const struct kernel_option *got, struct error *err)
{
	if (got)
		return error_say(err, EINVAL, "%s: %s=%s did not hold: it is %s", wanted->where, wanted->name,
				 wanted->value, got->value);
	return error_say(err, EINVAL, "%s: %s=%s did not hold: it is off (renamed, or what it depends on is off)",
			 wanted->where, wanted->name, wanted->value);
}

int kernel_config_check(const struct kernel_config *c, const char *text, size_t len, struct error *err)
{
	cleanup_kernel_config struct kernel_config made = { .count = 0 };
	struct error first = ERROR_INIT;
	size_t failed = 0;
	int r = kernel_config_add(&made, ".config", text, len, true, err);

	for (size_t i = 0; r == 0 && i < c->count; i++) {
		const struct kernel_option *got = find_option(&made, c->items[i].name);
		struct error this = ERROR_INIT;

		if (strcmp(got ? got->value : "n", c->items[i].value) == 0)
			continue;
		describe_failure(&c->items[i], got, failed == 0 ? &first : &this);
		if (failed++ > 0)
			log_error("%s", this.msg);
	}
	if (failed == 0)
		return r;
	if (failed == 1)
		return error_say(err, EINVAL, "%s", first.msg);
	return error_say(err, EINVAL, "%s (and %zu more, above)", first.msg, failed - 1);
}
