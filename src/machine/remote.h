// SPDX-License-Identifier: Apache-2.0
// Commands on a machine, through the system's ssh with the machine's key.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/strv.h"

struct machine;

// "ssh OPTIONS… USER@HOST": what follows is the command. The user's own ssh configuration has no part in it.
void remote_command(const struct machine *m, struct strv *ret);

struct remote_run {
	const char *command; // for the shell of the user docker
	const void *input; // NULL: none
	size_t input_len;
	int timeout_ms;
	struct buf *output; // appended; NULL: dropped
};

// Runs it; an exit status other than 0 is an error with the last line of stderr.
int remote_run(const struct machine *m, const struct remote_run *run, struct error *err) MUST_CHECK;
