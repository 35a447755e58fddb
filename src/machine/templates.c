// SPDX-License-Identifier: Apache-2.0
// The cache of templates; see templates.h.
#include "templates.h"

#include "context.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/path.h"
#include "run.h"
#include "system.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	LOCK_TIMEOUT_MS = 10 * 60 * 1000,
	LOCK_STEP_MS = 200,
	TEMPLATES_MAX = 4,
	FAILED_S = 24 * 60 * 60,
	NAME_LEN_MAX = 255
};

char *templates_cache(const struct context *ctx)
{
	return path_join(ctx->storage_path, "cache/templates");
}

char *templates_folder(const struct context *ctx, const char *system, const char *kind)
{
	return xasprintf("%s/cache/templates/%.32s-%.32s", ctx->storage_path, system, kind);
}

char *templates_unfinished(const struct context *ctx)
{
	return path_join(ctx->storage_path, "cache/templates/" TEMPLATES_UNFINISHED);
}

bool templates_is_stale(const struct context *ctx, const char *folder)
{
	cleanup_free char *systems = system_cache(ctx);
	cleanup_strv struct strv names = STRV_INIT;
	const char *base = path_base(folder);
	size_t len = strcspn(base, "-");

	file_list(systems, &names);
	for (size_t i = 0; i < names.count; i++)
		if (strncmp(names.items[i], base, len) == 0)
			return false;
	return true;
}

int templates_lock(const struct context *ctx, bool waits, int *ret_fd, struct error *err)
{
	cleanup_free char *cache = templates_cache(ctx);
	cleanup_free char *path = xasprintf("%s.lock", cache);
	int64_t deadline = clock_ms() + (waits ? LOCK_TIMEOUT_MS : 0);
	bool is_told = false;
	int r = file_mkdirs(cache, 0700, err);

	while (r == 0) {
		int interrupted = interrupt_check(err);
		if (interrupted < 0)
			return interrupted;
		r = lock_take(path, waits ? LOCK_STEP_MS : 0, ret_fd, err);
		if (r != -EWOULDBLOCK || clock_ms() >= deadline)
			return r;
		if (!is_told)
			log_info("Waiting for another command, which makes a template of machines...");
		is_told = true;
		error_clear(err);
		r = 0;
	}
	return r;
}

static char *failure_path(const struct context *ctx)
{
	return path_join(ctx->storage_path, "cache/templates.failed");
}

void templates_note_failure(const struct context *ctx, const char *folder)
{
	cleanup_free char *path = failure_path(ctx);
	struct error why = ERROR_INIT;

	if (file_replace_text(path, path_base(folder), 0600, &why) < 0)
		log_debug("%s", why.msg);
}

bool templates_has_failed(const struct context *ctx, const char *folder)
{
	cleanup_free char *path = failure_path(ctx);
	cleanup_buf struct buf text = BUF_INIT;
	struct stat st;

	return stat(path, &st) == 0 && time(NULL) - st.st_mtime < FAILED_S &&
	       file_read(path, NAME_LEN_MAX, &text, NULL) == 0 && strcmp(buf_str(&text), path_base(folder)) == 0;
}

// The index of the one that was made first.
static size_t oldest(const struct strv *folders)
{
	size_t found = 0;
	struct stat st, first = { .st_mtim.tv_sec = 0 };

	for (size_t i = 0; i < folders->count; i++)
		if (stat(folders->items[i], &st) == 0 && (i == 0 || st.st_mtim.tv_sec < first.st_mtim.tv_sec)) {
			first = st;
			found = i;
		}
	return found;
}

int templates_make_room(const struct context *ctx, struct error *err)
{
	cleanup_free char *cache = templates_cache(ctx);
	cleanup_strv struct strv names = STRV_INIT, kept = STRV_INIT;
	int r = 0;

	file_list(cache, &names);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		cleanup_free char *folder = path_join(cache, names.items[i]);

		if (strcmp(names.items[i], TEMPLATES_UNFINISHED) == 0)
			continue;
		if (templates_is_stale(ctx, folder))
			r = file_remove_tree(folder, err);
		else
			strv_push(&kept, folder);
	}
	return r < 0 || kept.count < TEMPLATES_MAX ? r : file_remove_tree(kept.items[oldest(&kept)], err);
}
