// SPDX-License-Identifier: Apache-2.0
// A command of the command line as one row: its name, its flags, what it does.
#pragma once

#include "context.h"

struct command {
	const char *name;
	const char *const aliases[5]; // other names for it
	const char *arguments; // for the usage line: "[NAME...]"
	const char *summary; // one line
	const struct option_row *const *options; // NULL-terminated list of tables; NULL: no flags
	size_t options_size; // of the struct that the tables fill
	bool hidden; // for other programs, not people: no list shows it
	bool takes_profile; // the older tool's profile gives flags, too
	bool raw; // flags are not read: all words go to `run` as operands
	// Returns the exit status, or a negative error. NULL: part of the contract, not there yet in this version.
	int (*run)(const struct context *ctx, void *options, const struct strv *operands, struct error *err);
};

extern const struct command *const commands[]; // NULL-terminated, as `help` lists them
const struct command *command_find(const char *name); // NULL: unknown

// Reads the flags and runs the command that ctx->operands names. Returns the exit status; errors are printed.
// --vm may stand behind the verb, too, and is moved to ctx->vm.
int command_dispatch(struct context *ctx);
// Runs a command within another one; the first of the words is its name.
int command_call(const struct context *ctx, const struct strv *words, struct error *err) MUST_CHECK;
void command_help(const struct context *ctx, const struct command *command);
// Appends its other names, separated by commas, with `before` before them; nothing when it has none.
void command_add_aliases(const struct command *command, const char *before, struct buf *ret);
void command_list(const struct context *ctx); // the help of the program itself
