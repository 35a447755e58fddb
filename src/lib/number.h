// SPDX-License-Identifier: Apache-2.0
// Numbers from text, checked: the whole string must be the number, and it must lie within bounds.
#pragma once

#include "error.h"

#include <stdint.h>

// Decimal. Errors: EINVAL (not a number), ERANGE (outside min..max).
int number_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err) MUST_CHECK;
int number_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err) MUST_CHECK;
int number_parse_int(const char *text, int min, int max, int *ret, struct error *err) MUST_CHECK;
// Octal digits only, as in file modes ("0755", "755").
int number_parse_octal(const char *text, uint64_t max, uint64_t *ret, struct error *err) MUST_CHECK;
// A finite decimal number ("1.5", "-2e3"); no hexadecimal, "inf" or "nan".
int number_parse_double(const char *text, double *ret, struct error *err) MUST_CHECK;
