// SPDX-License-Identifier: Apache-2.0
// Reference-counted bytes.

#include "image/blob.h"

#include "lib/alloc.h"

#include <string.h>

struct blob *blob_new(size_t size)
{
	struct blob *b = xmalloc(sizeof(*b) + size + 1);

	b->refs = 1;
	b->size = size;
	b->data[size] = '\0';
	return b;
}

struct blob *blob_from(const void *data, size_t size)
{
	struct blob *b = blob_new(size);

	if (size > 0)
		memcpy(b->data, data, size);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

void blob_unref(struct blob *b)
{
	if (b && --b->refs == 0)
		free(b);
}
