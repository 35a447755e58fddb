// SPDX-License-Identifier: Apache-2.0
// Where machines are kept: one folder each below machines/, with config.json in Docker Machine's format (version 3).
//
// Invariants: config.json is replaced as a whole; fields that we do not know are kept; it is written only by a holder
// of the machine's lock. A folder whose config.json cannot be read is a damaged machine: it is listed with its error
// and can be removed, and no other machine notices.
#pragma once

#include "context.h"

#include <jansson.h>

struct driver;

struct machine {
	const struct context *ctx;
	char *name;
	char *dir; // STORE/machines/NAME, absolute
	json_t *config; // the whole config.json
	const struct driver *driver; // NULL when config.json names one that we do not have
};

#define cleanup_machine CLEANUP(machine_cleanup)

// True for ^[a-zA-Z0-9][a-zA-Z0-9\-\.]*$.
bool machine_name_is_valid(const char *name);

// A machine that is not in the store yet: an empty config, no folder.
struct machine *machine_new(const struct context *ctx, const char *name);
void machine_free(struct machine *m);
void machine_cleanup(struct machine **m);
// ENOENT with Docker Machine's words when there is no such machine; EBADMSG when its config.json is damaged.
int machine_load(const struct context *ctx, const char *name, struct machine **ret, struct error *err) MUST_CHECK;
int machine_save(const struct machine *m, struct error *err) MUST_CHECK;
// True when the store has a folder of that name, damaged or not.
bool machine_exists(const struct context *ctx, const char *name);
// Names of all folders below machines/, in natural order (m2 before m10). No store at all: no names.
int machine_list(const struct context *ctx, struct strv *ret_names, struct error *err) MUST_CHECK;

// Keeps other commands from changing the machine until the fd is closed; the lock dies with its holder. It lies outside
// the machine's folder, so that removing the machine does not remove the lock others wait for.
int machine_lock(const struct context *ctx, const char *name, int *ret_fd, struct error *err) MUST_CHECK;

// A file in the machine's folder. The caller frees.
char *machine_path(const struct machine *m, const char *file);

// Compares as people count: runs of digits by their value, letters without regard to case.
int natural_compare(const char *a, const char *b);
