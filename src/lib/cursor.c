// SPDX-License-Identifier: Apache-2.0
// A bounds-checked reader over foreign bytes; see cursor.h.
#include "cursor.h"

#include <endian.h>
#include <string.h>

void cursor_init(struct cursor *c, const void *data, size_t len)
{
	*c = (struct cursor){ .pos = data, .left = len };
}

const uint8_t *cursor_bytes(struct cursor *c, size_t len)
{
	const uint8_t *start = c->pos;

	if (c->failed || len > c->left) {
		c->failed = true;
		return NULL;
	}
	if (len)
		c->pos += len;
	c->left -= len;
	return start;
}

void cursor_skip(struct cursor *c, size_t len)
{
	cursor_bytes(c, len);
}

// Copies the next bytes to `ret`, or zeros when they are not there.
static void take(struct cursor *c, void *ret, size_t len)
{
	const uint8_t *p = cursor_bytes(c, len);

	if (p)
		memcpy(ret, p, len);
	else
		memset(ret, 0, len);
}

uint8_t cursor_u8(struct cursor *c)
{
	uint8_t v;

	take(c, &v, sizeof(v));
	return v;
}

#define CURSOR_READER(name, type, convert) \
	type name(struct cursor *c)        \
	{                                  \
		type v;                    \
		take(c, &v, sizeof(v));    \
		return convert(v);         \
	}

CURSOR_READER(cursor_le16, uint16_t, le16toh)
CURSOR_READER(cursor_le32, uint32_t, le32toh)
CURSOR_READER(cursor_le64, uint64_t, le64toh)
CURSOR_READER(cursor_be16, uint16_t, be16toh)
CURSOR_READER(cursor_be32, uint32_t, be32toh)
CURSOR_READER(cursor_be64, uint64_t, be64toh)
