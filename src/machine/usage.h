// SPDX-License-Identifier: Apache-2.0
// What lies in the store, how much of the disk it takes, which machines have it, and removing what none has.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>
#include <stdint.h>

struct context;

enum usage_kind {
	USAGE_MACHINES,
	USAGE_SAVED,
	USAGE_SYSTEMS,
	USAGE_TEMPLATES,
	USAGE_IMAGES,
	USAGE_LEFTOVERS,
	USAGE_KINDS
};

struct usage_item {
	enum usage_kind kind;
	struct strv paths; // files and folders, absolute
	char *machine; // in whose folder it lies; NULL: in nobody's
	struct strv used_by; // names of the machines that have it
	int64_t size; // bytes that it takes on the disk; a file with several names counts where it is met first
	int64_t freed; // bytes that its removal frees
	bool only_all; // nothing is wrong with it: to be removed only when that is asked for
};

struct usage {
	struct usage_item *items; // by kind
	size_t count;
	struct file_id *seen; // what has been counted
	size_t seen_count;
};

#define cleanup_usage CLEANUP(usage_done)
void usage_done(struct usage *u);

int usage_collect(const struct context *ctx, struct usage *ret, struct error *err) MUST_CHECK;
// May it be removed? Machines and what is of use to one may not.
bool usage_is_free(const struct usage_item *item);
// Looks at it again, with the locks that it needs, and removes it. 1: done. 0: it is in use now, or gone.
int usage_remove(const struct context *ctx, const struct usage_item *item, struct error *err) MUST_CHECK;

// Is it an unfinished machine: `create` was killed before it had a disk? For a caller who holds its lock, or does nothing to it.
bool usage_is_half_made(const struct context *ctx, const char *name);
// The last component of its first path, and whose that is: what a person knows it by. The caller frees.
char *usage_name(const struct usage_item *item);
// "1.234MB", as docker writes sizes. The caller frees.
char *usage_size(int64_t bytes);
