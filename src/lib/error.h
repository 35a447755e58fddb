// SPDX-License-Identifier: Apache-2.0
// The one error convention: functions return 0 (or a count) or -errno, and fill a caller-owned struct error.
#pragma once

#include "macros.h"

struct error {
	int code; // positive errno value, 0 when nothing failed
	char msg[1024];
};

#define ERROR_INIT        \
	{                 \
		.code = 0 \
	}

// Sets the error to "MESSAGE: strerror(code)", or to MESSAGE alone when code is 0 (then EINVAL is kept as the code).
// `code` may be positive or negative. err may be NULL. Returns -errno, to be returned by the caller.
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// Sets the error to MESSAGE alone, with the given code: for messages that already say all. Returns -errno.
int error_say(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// Puts "CONTEXT: " before the message that is there. Returns the error's -errno.
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

// Forgets the error, so that the struct can be used again.
void error_clear(struct error *err);

// clang's analyzer cannot see into error.c from another file and would follow paths on which an error returns 0.
#if defined(__clang_analyzer__) && !defined(ERROR_IMPLEMENTATION)
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_say(...) (error_say(__VA_ARGS__), -1)
#define error_wrap(...) (error_wrap(__VA_ARGS__), -1)
#endif
