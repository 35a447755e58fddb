// SPDX-License-Identifier: Apache-2.0
// Memory that is freed all at once; see pool.h.
#include "pool.h"

#include "lib/alloc.h"

#include <string.h>

struct pool_block {
	struct pool_block *next;
	max_align_t data[];
};

void *pool_alloc(struct pool *pool, size_t size)
{
	struct pool_block *block = xcalloc(1, sizeof(*block) + size);

	block->next = pool->blocks;
	pool->blocks = block;
	pool->bytes += size;
	return block->data;
}

char *pool_copy(struct pool *pool, const char *text, size_t len)
{
	char *copy = pool_alloc(pool, len + 1);

	memcpy(copy, text, len);
	return copy;
}

const json_t *pool_keep(struct pool *pool, json_t *json)
{
	if (!pool->kept)
		pool->kept = json_array();
	json_array_append_new(pool->kept, json);
	pool->bytes += json_array_size(json) * sizeof(json_t *);
	return json;
}

void pool_done(struct pool *pool)
{
	json_decref(pool->kept);
	pool->kept = NULL;
	while (pool->blocks) {
		struct pool_block *next = pool->blocks->next;
		free(pool->blocks);
		pool->blocks = next;
	}
	pool->bytes = 0;
}
