// SPDX-License-Identifier: Apache-2.0
// A growable list of strings, NULL-terminated: argument vectors, names, environments.
#pragma once

#include "macros.h"

#include <stdbool.h>

struct strv {
	char **items; // NULL-terminated once something was added; use strv_argv() for exec
	size_t count;
};

#define STRV_INIT             \
	{                     \
		.items = NULL \
	}
#define cleanup_strv CLEANUP(strv_done)

void strv_done(struct strv *v);
void strv_push(struct strv *v, const char *s); // copies
void strv_pushf(struct strv *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_push_all(struct strv *v, const char *const *items); // NULL-terminated list
char *const *strv_argv(const struct strv *v); // never NULL
bool strv_contains(const struct strv *v, const char *s);
void strv_sort(struct strv *v); // by bytes (strcmp)
// Splits at any character of `separators`; empty fields are dropped.
void strv_split(struct strv *v, const char *text, const char *separators);
