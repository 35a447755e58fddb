// SPDX-License-Identifier: Apache-2.0
// The cache of templates, STORE/cache/templates: a folder SYSTEM-KIND each, where SYSTEM is the digest by which the cache of systems
// knows the image. What is in a folder is the driver's (qemu/template.c).
#pragma once

#include "lib/error.h"

#include <stdbool.h>

struct context;

char *templates_cache(const struct context *ctx); // the caller frees
#define TEMPLATES_UNFINISHED "unfinished"
// The folder of a template, and that of the one that is being made. The caller frees.
char *templates_folder(const struct context *ctx, const char *system, const char *kind);
char *templates_unfinished(const struct context *ctx);
// Is the image gone that the template of this folder is of?
bool templates_is_stale(const struct context *ctx, const char *folder);
// Keeps others from making, taking and removing templates until the fd is closed. Waits for whoever makes one, which is said, at most 10
// minutes and until Ctrl-C; -EWOULDBLOCK at once when it shall not wait.
int templates_lock(const struct context *ctx, bool waits, int *ret_fd, struct error *err) MUST_CHECK;
// Notes that the template of this folder cannot be made, or is of no use; has that been noted within a day? One is remembered, the last.
void templates_note_failure(const struct context *ctx, const char *folder);
bool templates_has_failed(const struct context *ctx, const char *folder);
// Removes those whose image is gone, and the oldest of more than there may be with one more. The caller holds the lock.
int templates_make_room(const struct context *ctx, struct error *err) MUST_CHECK;
