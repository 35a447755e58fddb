// SPDX-License-Identifier: Apache-2.0
// What a hypervisor is told of its guest, by name and value: only what has changed is told again.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

struct told {
	struct strv names, values;
};

#define TOLD_INIT                   \
	{                           \
		.names = STRV_INIT, \
	}

void told_add(struct told *t, const char *name, const char *value);
void told_addf(struct told *t, const char *value, const char *name_format, ...) PRINTF_LIKE(3, 4);
const char *told_value(const struct told *t, const char *name); // NULL: it is not among them
void told_done(struct told *t);

// Tells what `wanted` has and `told` has not, and takes back (value NULL) what it has no more; `told` becomes `wanted`, which is
// empty then. On an error `told` is empty: all is to be told again. Returns how many were told, or -errno.
int told_update(struct told *told, struct told *wanted,
		int (*tell)(void *arg, const char *name, const char *value, struct error *err), void *arg,
		struct error *err) MUST_CHECK;
