// SPDX-License-Identifier: Apache-2.0
// A shell script that does nothing but set variables, read without a shell.
#pragma once

#include "lib/strv.h"

#include <stdbool.h>
#include <stddef.h>

struct assignments {
	struct strv all; // "NAME=VALUE", each name once, with its last value
	struct strv exported; // those among them that the script exports
};

#define ASSIGNMENTS_INIT                                \
	{                                               \
		.all = STRV_INIT, .exported = STRV_INIT \
	}

// Reads a script of comments, `NAME=VALUE` and `export NAME=VALUE` alone, with quotes but without anything that a shell expands,
// as sh would (POSIX.1-2017, XCU 2.2 "Quoting", 2.9.1 "Simple Commands"). False, and nothing in *ret, when there is more in it,
// which only a shell can tell.
bool assignments_read(const char *text, size_t len, struct assignments *ret);
void assignments_done(struct assignments *a);
