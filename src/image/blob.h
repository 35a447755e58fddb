// SPDX-License-Identifier: Apache-2.0
// The bytes of a file, shared by everyone who holds a reference.
#pragma once

#include "lib/macros.h"

struct blob {
	int refs;
	size_t size;
	unsigned char data[]; // followed by a NUL that is not counted, so that text can be read as a string
};

// A new blob of `size` bytes, to be filled by the caller; one reference.
struct blob *blob_new(size_t size);
struct blob *blob_from(const void *data, size_t size);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); // NULL is fine

#define cleanup_blob CLEANUP(blob_cleanup)
static inline void blob_cleanup(struct blob **b)
{
	blob_unref(*b);
}
