// SPDX-License-Identifier: Apache-2.0
// The characters of a template: white space, words, literals, the ends of actions.
#pragma once

#include "tree.h"

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>

struct parser {
	struct template *t;
	const char *text;
	size_t len, at; // at <= len
	bool trim_next; // " -}}" was read: the text that follows loses its leading white space
	int nesting;
	struct strv names; // variables in scope, innermost last
	struct error *err;
};

// An error at a place of the text; gives -EINVAL.
#define fail(p, at, ...) template_error((p)->t, (at), (p)->err, __VA_ARGS__)

bool scan_is_space(char c);
bool scan_is_letter(char c); // what a name begins with
char scan_peek(const struct parser *p); // NUL at the end
bool scan_starts_with(const struct parser *p, size_t at, const char *prefix);
void scan_skip_space(struct parser *p);
// At "}}", or at the "-}}" behind white space?
bool scan_is_close(const struct parser *p);
int scan_close(struct parser *p) MUST_CHECK;
// A run of letters and digits, which the parser moves behind. Returns its length.
size_t scan_word(struct parser *p, const char **ret);
bool scan_word_is(const char *word, size_t len, const char *expected);
// Does a string, a character or a number begin here? scan_literal reads it.
bool scan_is_literal(const struct parser *p);
int scan_literal(struct parser *p, struct value *ret) MUST_CHECK;
