// SPDX-License-Identifier: Apache-2.0
// Values as text, in the words of Go's fmt package: %v, print, println and printf.
#pragma once

#include "value.h"

#include "lib/error.h"

// Longer output than this is an error (EFBIG), so that a short template cannot fill the memory.
enum { FORMAT_OUTPUT_MAX = 4 << 20 };

// A character by its number, as UTF-8; U+FFFD when there is none of that number.
void format_rune(struct buf *out, int64_t rune);
// As %v. Nil inside of others is "<nil>"; what a template prints for nil itself is its own affair.
void format_plain(struct buf *out, const struct value *v);
// As fmt.Sprint: a space between two operands of which neither is a string. As fmt.Sprintln: always one, and a newline.
int format_print(struct buf *out, const struct value *args, size_t count, struct error *err) MUST_CHECK;
int format_println(struct buf *out, const struct value *args, size_t count, struct error *err) MUST_CHECK;
// As fmt.Sprintf, with flags - + 0 and space, width, precision, and the verbs v s q d x X o b c U t e E f F g G T. As Go, it
// puts a wrong argument into the text ("%!d(string=x)"); the error names what Go has and we do not (# * [n]). Unlike Go, a whole
// number of the data may be printed by the integer verbs.
int format_printf(struct buf *out, const struct value *format, const struct value *args, size_t count,
		  struct error *err) MUST_CHECK;
