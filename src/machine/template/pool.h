// SPDX-License-Identifier: Apache-2.0
// Memory that is freed all at once: the nodes of a parsed template, the strings of one rendering.
#pragma once

#include "lib/macros.h"
#include <jansson.h>

struct pool_block;

struct pool {
	struct pool_block *blocks;
	json_t *kept; // an array of what pool_keep was given, or NULL
	size_t bytes; // handed out so far
};

#define POOL_INIT              \
	{                      \
		.blocks = NULL \
	}
#define cleanup_pool CLEANUP(pool_done)

void *pool_alloc(struct pool *pool, size_t size); // zeroed
// A copy with a NUL behind it.
char *pool_copy(struct pool *pool, const char *text, size_t len);
// Keeps a reference of it, taken from the caller, until pool_done.
const json_t *pool_keep(struct pool *pool, json_t *json);
void pool_done(struct pool *pool);
