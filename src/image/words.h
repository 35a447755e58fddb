// SPDX-License-Identifier: Apache-2.0
// The plain text format that all manifests share: words separated by white space, `#` begins a comment, one statement a line.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

struct words_line {
	const char *file; // as given to words_each_line
	int number; // from 1
	struct strv words; // never empty
};

typedef int (*words_fn)(const struct words_line *line, void *arg, struct error *err);

// Calls `fn` for every line that holds a word; stops at its first error, which gets "FILE:LINE: " in front.
// A NUL byte or a line of more than 64 KiB is an error. A `\` at the end of a line joins the next one to it.
int words_each_line(const char *path, words_fn fn, void *arg, struct error *err) MUST_CHECK;
int words_each_line_in(const char *what, const char *text, size_t len, words_fn fn, void *arg,
		       struct error *err) MUST_CHECK;
