// SPDX-License-Identifier: Apache-2.0
// A bounds-checked reader over foreign bytes. A read past the end sets `failed` and gives zeros; check once, at the end.
#pragma once

#include "macros.h"

#include <stdbool.h>
#include <stdint.h>

struct cursor {
	const uint8_t *pos;
	size_t left;
	bool failed;
};

void cursor_init(struct cursor *c, const void *data, size_t len);
const uint8_t *cursor_bytes(struct cursor *c, size_t len); // NULL when fewer are left
void cursor_skip(struct cursor *c, size_t len);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_le16(struct cursor *c);
uint32_t cursor_le32(struct cursor *c);
uint64_t cursor_le64(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
