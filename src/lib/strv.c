// SPDX-License-Identifier: Apache-2.0
// A growable list of strings; see strv.h.
#include "strv.h"

#include "alloc.h"

#include <stdarg.h>
#include <string.h>

static void push_owned(struct strv *v, char *s)
{
	v->items = xreallocarray(v->items, v->count + 2, sizeof(*v->items));
	v->items[v->count++] = s;
	v->items[v->count] = NULL;
}

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv)STRV_INIT;
}

void strv_push(struct strv *v, const char *s)
{
	push_owned(v, xstrdup(s));
}

void strv_pushf(struct strv *v, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&s, fmt, ap);
	va_end(ap);
	push_owned(v, len < 0 ? xstrdup("") : s);
}

void strv_push_all(struct strv *v, const char *const *items)
{
	for (; items && *items; items++)
		strv_push(v, *items);
}

char *const *strv_argv(const struct strv *v)
{
	static char *const none[] = { NULL };

	return v->items ? v->items : none;
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->items[i], s) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->count > 1)
		qsort(v->items, v->count, sizeof(*v->items), compare);
}

void strv_split(struct strv *v, const char *text, const char *separators)
{
	while (*(text += strspn(text, separators))) {
		size_t len = strcspn(text, separators);
		push_owned(v, xstrndup(text, len));
		text += len;
	}
}
