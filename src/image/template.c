// SPDX-License-Identifier: Apache-2.0
// Replaces marks in text.

#include "image/template.h"

#include <string.h>

static const struct template_value *mark_at(const char *text, const struct template_value *values)
{
	for (const struct template_value *v = values; v->mark; v++) {
		if (strncmp(text, v->mark, strlen(v->mark)) == 0)
			return v;
	}
	return NULL;
}

void template_fill(const char *text, const struct template_value *values, struct buf *ret)
{
	while (*text) {
		const struct template_value *v = *text == '@' ? mark_at(text, values) : NULL;

		if (v) {
			buf_puts(ret, v->value);
			text += strlen(v->mark);
		} else {
			buf_putc(ret, *text++);
		}
	}
}
