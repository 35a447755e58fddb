// SPDX-License-Identifier: Apache-2.0
// What every cmocka test file needs, in the order cmocka wants it.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/error.h"

// Fails with the error's message, so that a red test says why.
#define assert_ok(call, err)                                   \
	do {                                                   \
		int result_ = (call);                          \
		if (result_ < 0)                               \
			fail_msg("%s: %s", #call, (err)->msg); \
	} while (0)

#define assert_contains(text, part)                                      \
	do {                                                             \
		if (!strstr((text), (part)))                             \
			fail_msg("\"%s\" is not in \"%s\"", part, text); \
	} while (0)

// A fresh folder below $TMPDIR; test_folder_done removes it.
static inline char *test_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/b2d-test.XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(path));
	return path;
}
