// SPDX-License-Identifier: Apache-2.0
// How the doctor says what it found; see doctor.h.
#include "doctor.h"

#include "lib/buf.h"

#include <stdarg.h>

static const struct {
	const char *mark, *colour;
} findings[] = {
	[FINDING_OK] = { "ok", "\033[32m" },
	[FINDING_NOTE] = { "note", "\033[33m" },
	[FINDING_WRONG] = { "WRONG", "\033[31m" },
};

void report_begin(struct report *r)
{
	const char *no_color = getenv("NO_COLOR");

	*r = (struct report){ .colour = isatty(STDOUT_FILENO) && !(no_color && *no_color) };
}

void report_title(const struct report *r, const char *fmt, ...)
{
	va_list ap;

	(void)r;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void report_line(struct report *r, enum finding finding, const char *what, const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	// A program's or a guest's words must not steer the terminal.
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			text.data[i] = ' ';
	r->wrong += finding == FINDING_WRONG;
	printf("  %s%-5s%s  %-18s %s\n", r->colour ? findings[finding].colour : "", findings[finding].mark,
	       r->colour ? "\033[0m" : "", what, buf_str(&text));
}
