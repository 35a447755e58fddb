// SPDX-License-Identifier: Apache-2.0
// Allocation that does not fail: out of memory ends the program, here and nowhere else.
#pragma once

#include "macros.h"

// What runs instead of abort() when memory is out; PID 1 sets one that never returns and never exits.
void alloc_set_failure_handler(void (*handler)(void));

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
// Grows an array to `count` elements of `size` bytes; the product is checked for overflow.
void *xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
