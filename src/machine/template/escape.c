// SPDX-License-Identifier: Apache-2.0
// Text made harmless for HTML, JavaScript and URLs; see escape.h.
#include "escape.h"

#include <string.h>

void escape_html(struct buf *out, const char *text, size_t len)
{
	static const char special[] = "\"'&<>";
	static const char *const entities[] = { "&#34;", "&#39;", "&amp;", "&lt;", "&gt;" };

	for (size_t i = 0; i < len; i++) {
		const char *found = text[i] ? strchr(special, text[i]) : NULL;
		if (found)
			buf_puts(out, entities[found - special]);
		else if (text[i])
			buf_putc(out, text[i]);
		else
			buf_puts(out, "\xef\xbf\xbd"); // U+FFFD
	}
}

void escape_js(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < ' ' || strchr("<>&=", c))
			buf_printf(out, "\\u%04X", c);
		else if (strchr("\\'\"", c))
			buf_printf(out, "\\%c", c);
		else
			buf_putc(out, (char)c);
	}
}

void escape_url(struct buf *out, const char *text, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == ' ')
			buf_putc(out, '+');
		else if (c && strchr(plain, c))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
