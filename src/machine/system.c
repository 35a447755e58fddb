// SPDX-License-Identifier: Apache-2.0
// Systems in the cache and in the machines' folders; see system.h.
//
// A system in the cache is complete, because it comes there by a rename. Who makes or removes one holds the lock
// cache/systems.lock.
#include "system.h"

#include "bzimage.h"
#include "initrd.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/path.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TIMEOUT_MS = 5 * 60 * 1000 };

// Makes the system in `dir`, which is empty.
static int make_system(const char *dir, int (*fetch)(const char *, const char *, struct error *), const char *from,
		       struct error *err)
{
	cleanup_free char *raw = path_join(dir, "raw");
	cleanup_free char *bzimage = path_join(raw, SYSTEM_KERNEL);
	cleanup_free char *packed = path_join(raw, SYSTEM_INITRD);
	cleanup_free char *kernel = path_join(dir, SYSTEM_KERNEL);
	cleanup_free char *unpacked = path_join(dir, "vmlinux");
	int r = file_mkdirs(raw, 0700, err);

	if (r == 0)
		r = fetch(from, raw, err);
	if (r == 0)
		r = bzimage_unpack(bzimage, unpacked, err);
	if (r >= 0)
		r = initrd_split(packed, dir, err);
	if (r == 0 && rename(bzimage, kernel) < 0)
		r = error_set(err, errno, "rename %s", bzimage);
	return r < 0 ? r : file_remove_tree(raw, err);
}

bool system_is_used(const char *system)
{
	cleanup_free char *kernel = path_join(system, SYSTEM_KERNEL);
	struct stat st;

	return stat(kernel, &st) == 0 && st.st_nlink > 1;
}

static int remove_unused(const char *systems, const char *keep, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = 0;

	file_list(systems, &names);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		cleanup_free char *path = path_join(systems, names.items[i]);

		if (strcmp(names.items[i], keep) != 0 && !system_is_used(path))
			r = file_remove_tree(path, err);
	}
	return r;
}

static int ensure_cached(const char *systems, const char *digest,
			 int (*fetch)(const char *, const char *, struct error *), const char *from, struct error *err)
{
	cleanup_free char *wanted = path_join(systems, digest);
	cleanup_free char *unfinished = path_join(systems, SYSTEM_UNFINISHED);
	int r;

	if (file_exists(wanted))
		return 0;
	r = file_remove_tree(unfinished, err);
	if (r == 0)
		r = file_mkdirs(unfinished, 0700, err);
	if (r == 0)
		r = make_system(unfinished, fetch, from, err);
	if (r == 0 && rename(unfinished, wanted) < 0)
		r = error_set(err, errno, "rename %s", unfinished);
	if (r == 0)
		return remove_unused(systems, digest, err);
	if (file_remove_tree(unfinished, NULL) < 0)
		log_debug("%s stays for the next install to remove", unfinished);
	return r;
}

// Another file system, or one without hard links: a copy.
static int link_files(const char *from, const char *to, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = 0;

	file_list(from, &names);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		cleanup_free char *source = path_join(from, names.items[i]);
		cleanup_free char *target = path_join(to, names.items[i]);

		if (link(source, target) < 0)
			r = file_copy(source, target, 0644, err);
	}
	return r;
}

// Puts `fresh` in the place of `now`, which may be there.
static int replace_folder(const char *fresh, const char *now, struct error *err)
{
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, now, RENAME_EXCHANGE) == 0)
		return file_remove_tree(fresh, err);
	if (errno != ENOENT) { // a file system that cannot exchange
		int r = file_remove_tree(now, err);

		if (r < 0)
			return r;
	}
	return rename(fresh, now) < 0 ? error_set(err, errno, "rename %s", fresh) : 0;
}

char *system_cache(const struct context *ctx)
{
	return path_join(ctx->storage_path, "cache/systems");
}

int system_cache_lock(const struct context *ctx, int *ret_fd, struct error *err)
{
	cleanup_free char *systems = system_cache(ctx);
	cleanup_free char *path = xasprintf("%s.lock", systems);
	int r = file_mkdirs(systems, 0700, err);

	return r < 0 ? r : lock_take(path, LOCK_TIMEOUT_MS, ret_fd, err);
}

int system_install(const struct machine *m, const char *digest,
		   int (*fetch)(const char *from, const char *into_dir, struct error *err), const char *from,
		   struct error *err)
{
	cleanup_free char *systems = system_cache(m->ctx);
	cleanup_free char *cached = path_join(systems, digest);
	cleanup_free char *fresh = machine_path(m, "system.new");
	cleanup_free char *now = machine_path(m, "system");
	cleanup_close int lock = -1;
	int r = system_cache_lock(m->ctx, &lock, err);

	if (r == 0)
		r = ensure_cached(systems, digest, fetch, from, err);
	if (r == 0)
		r = file_remove_tree(fresh, err);
	if (r == 0)
		r = file_mkdirs(fresh, 0700, err);
	if (r == 0)
		r = link_files(cached, fresh, err);
	return r < 0 ? r : replace_folder(fresh, now, err);
}

char *system_digest(const struct machine *m)
{
	cleanup_free char *own = system_path(m, SYSTEM_KERNEL);
	cleanup_free char *systems = system_cache(m->ctx);
	cleanup_strv struct strv names = STRV_INIT;
	struct stat mine, other;

	file_list(systems, &names);
	for (size_t i = 0; i < names.count && stat(own, &mine) == 0; i++) {
		cleanup_free char *path = xasprintf("%s/%s/" SYSTEM_KERNEL, systems, names.items[i]);

		if (stat(path, &other) == 0 && other.st_ino == mine.st_ino && other.st_dev == mine.st_dev)
			return xstrdup(names.items[i]);
	}
	return NULL;
}

char *system_path(const struct machine *m, const char *file)
{
	return xasprintf("%s/system/%s", m->dir, file);
}

void system_layers(const struct machine *m, struct strv *ret)
{
	cleanup_free char *dir = machine_path(m, "system");
	cleanup_strv struct strv names = STRV_INIT;

	file_list(dir, &names);
	for (size_t i = 0; i < names.count; i++)
		if (initrd_is_layer(names.items[i]))
			strv_push(ret, names.items[i]);
}
