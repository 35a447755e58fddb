// SPDX-License-Identifier: Apache-2.0
// Names and values that a hypervisor knows of us.
#include "told.h"

#include "lib/buf.h"

#include <stdarg.h>
#include <string.h>

void told_add(struct told *t, const char *name, const char *value)
{
	strv_push(&t->names, name);
	strv_push(&t->values, value);
}

void told_addf(struct told *t, const char *value, const char *name_format, ...)
{
	cleanup_buf struct buf name = BUF_INIT;
	va_list ap;

	va_start(ap, name_format);
	buf_vprintf(&name, name_format, ap);
	va_end(ap);
	told_add(t, buf_str(&name), value);
}

const char *told_value(const struct told *t, const char *name)
{
	for (size_t i = 0; i < t->names.count; i++)
		if (strcmp(t->names.items[i], name) == 0)
			return t->values.items[i];
	return NULL;
}

void told_done(struct told *t)
{
	strv_done(&t->names);
	strv_done(&t->values);
}

int told_update(struct told *told, struct told *wanted,
		int (*tell)(void *arg, const char *name, const char *value, struct error *err), void *arg,
		struct error *err)
{
	int r = 0, count = 0;

	for (size_t i = 0; r >= 0 && i < told->names.count; i++)
		if (!told_value(wanted, told->names.items[i])) {
			r = tell(arg, told->names.items[i], NULL, err);
			count++;
		}
	for (size_t i = 0; r >= 0 && i < wanted->names.count; i++) {
		const char *before = told_value(told, wanted->names.items[i]);

		if (before && strcmp(before, wanted->values.items[i]) == 0)
			continue;
		r = tell(arg, wanted->names.items[i], wanted->values.items[i], err);
		count++;
	}
	told_done(told);
	if (r >= 0)
		*told = *wanted;
	else
		told_done(wanted);
	*wanted = (struct told)TOLD_INIT;
	return r < 0 ? r : count;
}
