// SPDX-License-Identifier: Apache-2.0
// Writing SVG; see svg.h.
#include "svg.h"

#include <stdbool.h>
#include <string.h>

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

// U+FFFE and U+FFFF are UTF-8, and not allowed in XML.
static bool is_no_character(const char *text)
{
	return strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0;
}

void svg_escape(struct buf *b, const char *text)
{
	for (; *text; text++) {
		const char *instead = entity(*text);

		if (instead) {
			buf_puts(b, instead);
		} else if ((unsigned char)*text < ' ' || *text == 0x7f) {
			buf_putc(b, '?');
		} else if (is_no_character(text)) {
			buf_putc(b, '?');
			text += 2;
		} else {
			buf_putc(b, *text);
		}
	}
}

void svg_open(struct buf *b, double width, double height, const char *style)
{
	buf_printf(
		b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
		"<style>%s</style>\n",
		width, height, width, height, style);
}

void svg_close(struct buf *b)
{
	buf_puts(b, "</svg>\n");
}

void svg_rect(struct buf *b, const char *class_name, double x, double y, double width, double height)
{
	buf_printf(b, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class_name, x, y,
		   width, height);
}

void svg_line(struct buf *b, const char *class_name, double x1, double y1, double x2, double y2)
{
	buf_printf(b, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class_name, x1, y1, x2,
		   y2);
}

void svg_text(struct buf *b, const char *class_name, const char *anchor, double x, double y, const char *text)
{
	buf_printf(b, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class_name, anchor, x, y);
	svg_escape(b, text);
	buf_puts(b, "</text>\n");
}

void svg_group_open(struct buf *b, const char *title)
{
	buf_puts(b, "<g><title>");
	svg_escape(b, title);
	buf_puts(b, "</title>\n");
}

void svg_group_close(struct buf *b)
{
	buf_puts(b, "</g>\n");
}
