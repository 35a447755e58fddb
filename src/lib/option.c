// SPDX-License-Identifier: Apache-2.0
// Command line options as a table; see option.h.
#include "option.h"

#include "alloc.h"
#include "number.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

static void *field_of(const struct option_row *row, void *target)
{
	return (char *)target + row->offset;
}

static int parse_bool(const char *text, bool *ret, struct error *err)
{
	static const char *const yes[] = { "true", "1", "t", "yes", "on" };
	static const char *const no[] = { "false", "0", "f", "no", "off", "" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (strcasecmp(text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (strcasecmp(text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	return error_say(err, EINVAL, "\"%.64s\" is neither true nor false", text);
}

static int set_value(const struct option_row *row, void *target, const char *text, struct error *err)
{
	void *field = field_of(row, target);
	bool bounded = row->min || row->max;

	switch (row->type) {
	case OPTION_BOOL:
		return parse_bool(text, field, err);
	case OPTION_INT:
		return number_parse_int(text, bounded ? row->min : INT_MIN, bounded ? row->max : INT_MAX, field, err);
	case OPTION_STRING:
		free(*(char **)field);
		*(char **)field = xstrdup(text);
		return 0;
	case OPTION_LIST:
		strv_push(field, text);
		return 0;
	}
	return error_say(err, EINVAL, "option table: unknown type of --%s", row->name);
}

// Defaults and environment. A list in the environment is separated by commas, as Docker Machine's is.
static int set_initial(const struct option_row *row, void *target, struct error *err)
{
	const char *text = row->env ? getenv(row->env) : NULL;
	bool from_env = text && *text;
	int r = 0;

	if (!from_env)
		text = row->value;
	if (!text)
		return 0;
	if (row->type == OPTION_LIST)
		strv_split(field_of(row, target), text, ",");
	else
		r = set_value(row, target, text, err);
	if (r < 0)
		error_wrap(err, from_env ? "environment variable %s" : "default of --%s",
			   from_env ? row->env : row->name);
	return r;
}

static const struct option_row *find_row(const struct option_row *const *tables, const char *name, size_t len)
{
	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++)
			if ((strncmp(row->name, name, len) == 0 && row->name[len] == '\0') ||
			    (len == 1 && row->letter == name[0]))
				return row;
	return NULL;
}

struct walk {
	const struct option_row *const *tables;
	void *target;
	int argc;
	char *const *argv;
	int at; // index of the word being read
	bool *seen; // per option in table order: given on the command line, so a list from the environment is dropped
};

static size_t row_number(const struct option_row *const *tables, const struct option_row *wanted)
{
	size_t n = 0;

	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++, n++)
			if (row == wanted)
				return n;
	return n;
}

// Reads the option at w->at, and its value from the next word when it needs one.
static int read_option(struct walk *w, struct error *err)
{
	const char *word = w->argv[w->at];
	const char *name = word + 1 + (word[1] == '-');
	size_t len = strcspn(name, "=");
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	const struct option_row *row = find_row(w->tables, name, len);

	if (!row)
		return error_say(err, EINVAL, "flag provided but not defined: -%.*s; see --help", (int)len, name);
	if (!value && row->type == OPTION_BOOL)
		value = "true";
	if (!value && ++w->at >= w->argc)
		return error_say(err, EINVAL, "flag needs an argument: --%s", row->name);
	if (!value)
		value = w->argv[w->at];
	bool *seen = &w->seen[row_number(w->tables, row)];
	if (!*seen && row->type == OPTION_LIST)
		strv_done(field_of(row, w->target));
	*seen = true;
	int r = set_value(row, w->target, value, err);
	return r < 0 ? error_wrap(err, "--%s", row->name) : r;
}

// An operand, or the end of options. Returns 1 when nothing more is to be read.
static int read_operand(struct walk *w, const struct option_parse *how, struct error *err)
{
	const char *word = w->argv[w->at];
	bool ends = strcmp(word, "--") == 0;

	if (!how->operands && !ends)
		return error_say(err, EINVAL, "unexpected argument \"%s\"; see --help", word);
	if (!ends && !how->stop_at_operand) {
		strv_push(how->operands, word);
		return 0;
	}
	for (int i = w->at + ends; i < w->argc; i++) {
		if (!how->operands)
			return error_say(err, EINVAL, "unexpected argument \"%s\"; see --help", w->argv[i]);
		strv_push(how->operands, w->argv[i]);
	}
	return 1;
}

static int read_words(struct walk *w, const struct option_parse *how, struct error *err)
{
	int r = 0;

	for (w->at = 1; w->at < w->argc && r == 0; w->at++) {
		const char *word = w->argv[w->at];
		bool is_option = word[0] == '-' && word[1] && strcmp(word, "--") != 0;
		r = is_option ? read_option(w, err) : read_operand(w, how, err);
	}
	return r < 0 ? r : 0;
}

int option_parse(const struct option_row *const *tables, void *target, int argc, char *const *argv,
		 const struct option_parse *how, struct error *err)
{
	struct walk w = { .tables = tables, .target = target, .argc = argc, .argv = argv };
	size_t rows = row_number(tables, NULL);
	int r = 0;

	for (const struct option_row *const *table = tables; *table && r == 0; table++)
		for (const struct option_row *row = *table; row->name && r == 0; row++)
			r = set_initial(row, target, err);
	if (r < 0)
		return r;
	cleanup_free bool *seen = xcalloc(rows, sizeof(*seen));
	w.seen = seen;
	return read_words(&w, how, err);
}

void option_done(const struct option_row *const *tables, void *target)
{
	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++) {
			if (row->type == OPTION_STRING)
				free(take_ptr(*(char **)field_of(row, target)));
			else if (row->type == OPTION_LIST)
				strv_done(field_of(row, target));
		}
}

static void help_row(const struct option_row *row, struct buf *ret)
{
	cleanup_buf struct buf flag = BUF_INIT;

	buf_printf(&flag, "--%s", row->name);
	if (row->letter)
		buf_printf(&flag, ", -%c", row->letter);
	if (row->argument)
		buf_printf(&flag, " %s", row->argument);
	buf_printf(ret, "   %-42s %s", buf_str(&flag), row->help);
	if (row->value && *row->value)
		buf_printf(ret, " (default: %s)", row->value);
	if (row->env)
		buf_printf(ret, " [$%s]", row->env);
	buf_putc(ret, '\n');
}

void option_help(const struct option_row *const *tables, struct buf *ret)
{
	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++)
			if (row->help)
				help_row(row, ret);
}
