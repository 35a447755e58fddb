// SPDX-License-Identifier: Apache-2.0
// The one error convention; see error.h.
#define ERROR_IMPLEMENTATION
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int error_code(int code)
{
	return code == 0 ? EINVAL : abs(code);
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	int positive = error_code(code);
	char context[sizeof(err->msg)];
	char reason[128];
	va_list ap;

	if (!err)
		return -positive;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	err->code = positive;
	// GNU strerror_r returns the text, which need not be the buffer. A long context must not push the reason out.
	const char *why = code == 0 ? NULL : strerror_r(positive, reason, sizeof(reason));
	int room = (int)sizeof(err->msg) - 1 - (why ? (int)strlen(why) + 2 : 0);
	snprintf(err->msg, sizeof(err->msg), "%.*s%s%s", room, context, why ? ": " : "", why ? why : "");
	return -positive;
}

int error_say(struct error *err, int code, const char *fmt, ...)
{
	int positive = error_code(code);
	va_list ap;

	if (!err)
		return -positive;
	va_start(ap, fmt);
	// Formatted aside first: an argument may be the old message itself.
	char text[sizeof(err->msg)];
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err->code = positive;
	memcpy(err->msg, text, sizeof(text));
	return -positive;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	char context[sizeof(err->msg)];
	char inner[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(inner, err->msg, sizeof(inner));
	int room = (int)sizeof(err->msg) - 1;
	int used = snprintf(err->msg, sizeof(err->msg), "%.*s: ", room - 2, context);
	snprintf(err->msg + used, sizeof(err->msg) - (size_t)used, "%s", inner);
	return -error_code(err->code);
}

void error_clear(struct error *err)
{
	err->code = 0;
	err->msg[0] = '\0';
}
