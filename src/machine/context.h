// SPDX-License-Identifier: Apache-2.0
// What every command is given: the global flags, where the store is, and the name the program was called by.
#pragma once

#include "lib/error.h"
#include "lib/option.h"
#include "lib/strv.h"

#include <stdbool.h>

struct context {
	const char *program; // "boot2docker", or "docker-machine" when called by that name; messages use it
	struct strv words; // the command line as given, for the hint that `env` prints
	struct strv operands; // the verb and what follows it

	char *vm; // the machine that is meant where none is named: of --vm, else of the older tool's profile; NULL: "default"

	// The global flags.
	bool debug, help, version;
	char *storage_path; // absolute after context_init
	char *ca_cert, *ca_key, *client_cert, *client_key; // paths; in the store unless given
	bool native_ssh; // accepted, no effect
	char *github_api_token, *bugsnag_api_token; // accepted, no effect
};

extern const struct option_row context_options[];

// Reads the global flags; the store's path and the certificates' get their defaults. context_done frees, also after a
// failure.
int context_init(struct context *ctx, int argc, char **argv, struct error *err) MUST_CHECK;
void context_done(struct context *ctx);
// Was the program called by its own name, not as docker-machine? Where the two tools mean different things, it decides.
bool context_is_boot2docker(const struct context *ctx);
