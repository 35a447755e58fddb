// SPDX-License-Identifier: Apache-2.0
// Command line options as a table: one row an option, read into the fields of a struct; --help comes from the same rows.
#pragma once

#include "buf.h"
#include "error.h"
#include "strv.h"

enum option_type {
	OPTION_BOOL, // bool; `--name`, `--name=true|false`
	OPTION_STRING, // char * (owned; freed by option_done)
	OPTION_INT, // int
	OPTION_LIST, // struct strv; given again to add
};

struct option_row {
	const char *name; // without dashes; a row without a name ends the table
	char letter; // one-letter form, or 0
	enum option_type type;
	size_t offset; // offsetof(struct, field)
	const char *env; // environment variable that gives the value when the flag is not given, or NULL
	const char *value; // default as text, or NULL (false, NULL, 0, empty)
	const char *argument; // name of the value in --help ("MB"); NULL for booleans
	const char *help; // one line; NULL: accepted but not shown
	int min, max; // OPTION_INT; both 0: any
};

struct option_parse {
	bool stop_at_operand; // options end at the first operand (ssh NAME -t …), which stays with the rest in operands
	struct strv *operands; // what is not an option; NULL: operands are an error
};

// Fills the struct at `target` from defaults, environment and argv (argv[0] is not read), in rising order of precedence.
// Flags: --name value, --name=value, -name value, -n value; "--" ends options. Several tables can be read at once: tables is
// a NULL-terminated list. Every field must be zeroed before. On error what was set must still be freed with option_done.
int option_parse(const struct option_row *const *tables, void *target, int argc, char *const *argv,
		 const struct option_parse *how, struct error *err) MUST_CHECK;
void option_done(const struct option_row *const *tables, void *target);
// Appends a help list: two columns, defaults and variables.
void option_help(const struct option_row *const *tables, struct buf *ret);
