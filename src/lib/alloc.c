// SPDX-License-Identifier: Apache-2.0
// Allocation that does not fail; see alloc.h.
#include "alloc.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static void (*failure_handler)(void);

void alloc_set_failure_handler(void (*handler)(void))
{
	failure_handler = handler;
}

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	// Nothing here may allocate.
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		// Nowhere left to say it.
	}
	if (failure_handler)
		failure_handler();
	abort();
}

static void *checked(void *p)
{
	if (!p)
		out_of_memory();
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return checked(count && size ? calloc(count, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		out_of_memory();
	return xrealloc(p, total);
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t max)
{
	return checked(strndup(s, max));
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return checked(text);
}
