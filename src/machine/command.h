// SPDX-License-Identifier: Apache-2.0
// A command of the command line as one row: its name, its flags, what it does.
#pragma once

#include "context.h"

struct command {
	const char *name;
	const char *alias; // another name for it, or NULL
	const char *arguments; // for the usage line: "[NAME...]"
	const char *summary; // one line
	const struct option_row *const *options; // NULL-terminated list of tables; NULL: no flags
	size_t options_size; // of the struct that the tables fill
	bool hidden; // for other programs, not people: no list shows it
	bool raw; // flags are not read: all words go to `run` as operands
	// Returns the exit status, or a negative error. NULL: part of the contract, not there yet in this version.
	int (*run)(const struct context *ctx, void *options, const struct strv *operands, struct error *err);
};

extern const struct command *const commands[]; // NULL-terminated, as `help` lists them
const struct command *command_find(const char *name); // NULL: unknown

// Reads the flags and runs the command that ctx->operands names. Returns the exit status; errors are printed.
int command_dispatch(const struct context *ctx);
void command_help(const struct context *ctx, const struct command *command);
void command_list(const struct context *ctx); // the help of the program itself
