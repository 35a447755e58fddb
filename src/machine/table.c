// SPDX-License-Identifier: Apache-2.0
// Lines of cells in columns; see table.h.
#include "table.h"

#include <string.h>

enum { GAP = 3, COLUMN_MIN = 5, COLUMNS_MAX = 64 };

// Characters, not bytes, of UTF-8.
static size_t width_of(const char *cell, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)cell[i] & 0xc0) != 0x80;
	return width;
}

static void measure(const char *line, size_t widths[COLUMNS_MAX])
{
	for (size_t column = 0; column < COLUMNS_MAX; column++) {
		size_t len = strcspn(line, "\t");
		size_t width = width_of(line, len) + GAP;
		if (line[len] == '\0')
			return; // the last cell is not followed by another
		if (width > widths[column])
			widths[column] = width;
		line += len + 1;
	}
}

static void lay_out(const char *line, const size_t widths[COLUMNS_MAX], struct buf *ret)
{
	for (size_t column = 0;; column++) {
		size_t len = strcspn(line, "\t");
		buf_add(ret, line, len);
		if (line[len] == '\0')
			break;
		size_t wanted = column < COLUMNS_MAX ? widths[column] : GAP;
		for (size_t width = width_of(line, len); width < wanted; width++)
			buf_putc(ret, ' ');
		line += len + 1;
	}
	buf_putc(ret, '\n');
}

void table_layout(const struct strv *lines, struct buf *ret)
{
	size_t widths[COLUMNS_MAX];

	for (size_t i = 0; i < COLUMNS_MAX; i++)
		widths[i] = COLUMN_MIN;
	for (size_t i = 0; i < lines->count; i++)
		measure(lines->items[i], widths);
	for (size_t i = 0; i < lines->count; i++)
		lay_out(lines->items[i], widths, ret);
}
