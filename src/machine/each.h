// SPDX-License-Identifier: Apache-2.0
// Which machines a command means, and doing one thing to several of them at the same time.
#pragma once

#include "lib/strv.h"
#include "store.h"

// The names given, or "default" when none is; then it must exist.
int machines_named(const struct context *ctx, const struct strv *operands, struct strv *ret_names,
		   struct error *err) MUST_CHECK;
// The same for commands that take one machine at most.
int machine_named(const struct context *ctx, const struct strv *operands, struct machine **ret,
		  struct error *err) MUST_CHECK;

// Loads all of them first (an unknown name: nothing is done), then runs `action` on each, in a thread of its own. All
// errors but the last are printed here. Returns 0, or the last error.
typedef int (*machine_action)(struct machine *m, struct error *err);
int machines_each(const struct context *ctx, const struct strv *operands, machine_action action,
		  struct error *err) MUST_CHECK;

// Loads them one after the other and calls `visit` with each (NULL: there is nothing to do but to see that all can be loaded), until
// one fails.
typedef int (*machine_visit)(struct machine *m, void *arg, struct error *err);
int machines_visit(const struct context *ctx, const struct strv *operands, machine_visit visit, void *arg,
		   struct error *err) MUST_CHECK;

// Runs fn(item) for `count` items of `size` bytes, each in its own thread, and waits for all.
void run_parallel(void (*fn)(void *item), void *items, size_t count, size_t size);
