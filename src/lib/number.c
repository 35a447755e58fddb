// SPDX-License-Identifier: Apache-2.0
// Numbers from text, checked; see number.h.
#include "number.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

// Digits of `base` up to the end of the text; false when there are none, others, or the value does not fit.
static int parse_digits(const char *text, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		unsigned digit = (unsigned)(unsigned char)*text - '0';
		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

int number_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err)
{
	uint64_t value = 0;
	int r = parse_digits(text, 10, &value);

	if (r == -EINVAL)
		return error_say(err, EINVAL, "\"%.64s\" is not a number", text);
	if (r < 0 || value < min || value > max)
		return error_say(err, ERANGE, "%.64s is not within %" PRIu64 " to %" PRIu64, text, min, max);
	*ret = value;
	return 0;
}

int number_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
	bool negative = text[0] == '-';
	uint64_t magnitude = 0;
	int64_t value = 0;
	int r = parse_digits(text + (negative || text[0] == '+'), 10, &magnitude);

	if (r == -EINVAL)
		return error_say(err, EINVAL, "\"%.64s\" is not a number", text);
	if (r == 0 && (negative ? __builtin_sub_overflow((int64_t)0, magnitude, &value)
				: __builtin_add_overflow((int64_t)0, magnitude, &value)))
		r = -ERANGE;
	if (r < 0 || value < min || value > max)
		return error_say(err, ERANGE, "%.64s is not within %" PRId64 " to %" PRId64, text, min, max);
	*ret = value;
	return 0;
}

int number_parse_int(const char *text, int min, int max, int *ret, struct error *err)
{
	int64_t value;
	int r = number_parse_i64(text, min, max, &value, err);

	if (r == 0)
		*ret = (int)value;
	return r;
}

int number_parse_octal(const char *text, uint64_t max, uint64_t *ret, struct error *err)
{
	uint64_t value = 0;
	int r = parse_digits(text, 8, &value);

	if (r == -EINVAL)
		return error_say(err, EINVAL, "\"%.64s\" is not an octal number", text);
	if (r < 0 || value > max)
		return error_say(err, ERANGE, "%.64s is more than 0%" PRIo64, text, max);
	*ret = value;
	return 0;
}

int number_parse_double(const char *text, double *ret, struct error *err)
{
	size_t len = strlen(text);
	char *end;

	// strtod alone would take white space, "inf", "nan" and hexadecimal.
	if (!len || strspn(text, "+-.0123456789eE") != len)
		return error_say(err, EINVAL, "\"%.64s\" is not a number", text);
	double value = strtod(text, &end);
	if (*end)
		return error_say(err, EINVAL, "\"%.64s\" is not a number", text);
	if (!isfinite(value))
		return error_say(err, ERANGE, "%.64s is too large a number", text);
	*ret = value;
	return 0;
}
