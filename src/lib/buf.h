// SPDX-License-Identifier: Apache-2.0
// One growable byte string. `data` is always NUL-terminated (the NUL is not counted in `len`) once something was added.
#pragma once

#include "macros.h"

#include <stdarg.h>

struct buf {
	char *data;
	size_t len;
	size_t capacity;
};

#define BUF_INIT             \
	{                    \
		.data = NULL \
	}
#define cleanup_buf CLEANUP(buf_done)

void buf_done(struct buf *b); // frees; the buf is empty and usable again afterwards
void buf_clear(struct buf *b); // empties, keeps the memory
void buf_reserve(struct buf *b, size_t extra); // room for `extra` more bytes
void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
const char *buf_str(const struct buf *b); // never NULL: "" when empty
char *buf_steal(struct buf *b); // hands the string over (never NULL), leaves the buf empty
void buf_trim_end(struct buf *b); // drops white space and newlines at the end
