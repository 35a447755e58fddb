// SPDX-License-Identifier: Apache-2.0
// The functions that a template may call.
#pragma once

#include "pool.h"
#include "value.h"

#include "lib/error.h"

struct call {
	const struct value *args;
	size_t count;
	struct pool *pool; // for strings that the function makes
};

struct function {
	const char *name;
	size_t least; // arguments
	size_t most; // 0: any number
	// NULL: `and` and `or`, which leave out arguments and therefore belong to the one who evaluates them.
	int (*run)(const struct call *call, struct value *ret, struct error *err);
};

const struct function *function_find(const char *name, size_t len); // NULL when there is none
void function_list_names(struct buf *out); // "and, eq, …"
