// SPDX-License-Identifier: Apache-2.0
// Counting what lies in the store; see usage.h.
//
// Theory of operation. Everything in the store belongs to one item: what is special is taken first, a machine has what is left of
// its folder. Systems and the default image are hard links between the cache and the machines that have them, so the cache is
// counted before the machines, and each file once. Who uses a system or the default image is told by these links; who uses
// a download, by the URL in config.json.
//
// A leftover is what a command that was killed did not finish. That nobody works on it any more is known by its age: no command
// leaves what it is making untouched for an hour. An unfinished file of ours has the name of the file it was to become, a dot,
// and six characters of mkostemp.
#include "usage.h"

#include "driver.h"
#include "image.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"
#include "query.h"
#include "system.h"
#include "templates.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BLOCK = 512, UNTOUCHED_S = 60 * 60, RANDOM_LEN = 6 };

struct file_id {
	dev_t dev;
	ino_t ino;
};

static void item_done(struct usage_item *item)
{
	strv_done(&item->paths);
	strv_done(&item->used_by);
	free(item->machine);
}

void usage_done(struct usage *u)
{
	for (size_t i = 0; i < u->count; i++)
		item_done(&u->items[i]);
	free(u->items);
	free(u->seen);
	*u = (struct usage){ .items = NULL };
}

bool usage_is_free(const struct usage_item *item)
{
	return item->kind != USAGE_MACHINES && item->kind != USAGE_SAVED && !item->used_by.count;
}

char *usage_name(const struct usage_item *item)
{
	const char *base = path_base(item->paths.items[0]);

	if (item->kind == USAGE_SYSTEMS || item->kind == USAGE_TEMPLATES)
		return xasprintf("%.12s", base);
	return item->machine && strcmp(item->machine, base) != 0 ? xasprintf("%s/%s", item->machine, base)
								 : xstrdup(base);
}

char *usage_size(int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 1000 && unit + 1 < ARRAY_SIZE(units); unit++)
		size /= 1000;
	return xasprintf("%.4g%s", size, units[unit]);
}

// --- counting ---

// True the first time.
static bool count_once(struct usage *u, const struct stat *st)
{
	for (size_t i = 0; i < u->seen_count; i++)
		if (u->seen[i].ino == st->st_ino && u->seen[i].dev == st->st_dev)
			return false;
	u->seen = xreallocarray(u->seen, u->seen_count + 1, sizeof(*u->seen));
	u->seen[u->seen_count++] = (struct file_id){ st->st_dev, st->st_ino };
	return true;
}

static void count_file(struct usage *u, struct usage_item *item, const struct stat *st)
{
	int64_t bytes = (int64_t)st->st_blocks * BLOCK;

	if (!count_once(u, st))
		return;
	item->size += bytes;
	if (S_ISDIR(st->st_mode) || st->st_nlink == 1)
		item->freed += bytes;
}

// What cannot be read, or goes away meanwhile, is not counted.
static void count_tree(struct usage *u, struct usage_item *item, char *path)
{
	char *const paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);

	for (FTSENT *entry; fts && (entry = fts_read(fts));)
		if (entry->fts_info == FTS_D || entry->fts_info == FTS_F || entry->fts_info == FTS_SL ||
		    entry->fts_info == FTS_DEFAULT)
			count_file(u, item, entry->fts_statp);
	if (fts)
		fts_close(fts);
}

static struct usage_item *add_item(struct usage *u, enum usage_kind kind, const char *machine)
{
	u->items = xreallocarray(u->items, u->count + 1, sizeof(*u->items));
	u->items[u->count] = (struct usage_item){ .kind = kind, .machine = machine ? xstrdup(machine) : NULL };
	return &u->items[u->count++];
}

static void add_path(struct usage *u, struct usage_item *item, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	strv_push(&item->paths, path);
	count_tree(u, item, item->paths.items[item->paths.count - 1]);
}

// --- whose is it ---

static bool is_same_file(const struct stat *st, const char *path)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_ino == st->st_ino && other.st_dev == st->st_dev;
}

// The machines that have a file of that name which is the same as `path`.
static void find_users(const struct queries *machines, const char *path, const char *name, struct strv *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	for (size_t i = 0; i < machines->count; i++) {
		const struct query *q = &machines->items[i];
		cleanup_free char *theirs = xasprintf("%s/machines/%s/%s", q->ctx->storage_path, q->name, name);
		if (is_same_file(&st, theirs))
			strv_push(ret, q->name);
	}
}

static void find_users_of_download(const struct queries *machines, const char *path, struct strv *ret)
{
	for (size_t i = 0; i < machines->count; i++) {
		const struct query *q = &machines->items[i];
		const char *url = q->machine ? json_str_at(q->machine->config, "Driver.Boot2DockerURL", "") : "";
		cleanup_free char *theirs = *url ? image_download_path(q->ctx, url) : NULL;
		if (theirs && strcmp(theirs, path) == 0)
			strv_push(ret, q->name);
	}
}

// --- the cache ---

static bool is_untouched(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_mtime < time(NULL) - UNTOUCHED_S;
}

// "config.json.aB3xYz": a name of ours, a dot, and what mkostemp made, which is no word a person would have put there.
static bool is_temporary(const char *name)
{
	static const char *const ours[] = {
		".json", ".pem", ".iso", ".tar", ".tag", "vmlinuz", "initrd.img", "id_rsa"
	};
	size_t len = strlen(name);
	const char *random = len > RANDOM_LEN + 1 ? name + len - RANDOM_LEN : name;

	if (random == name || random[-1] != '.' || strpbrk(random, ".-_~") ||
	    !strpbrk(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		size_t tail = strlen(ours[i]);
		if (len - RANDOM_LEN - 1 >= tail && strncmp(random - 1 - tail, ours[i], tail) == 0)
			return true;
	}
	return false;
}

static bool has_ending(const char *name, const char *ending)
{
	size_t len = strlen(name), tail = strlen(ending);

	return len >= tail && strcmp(name + len - tail, ending) == 0;
}

// A leftover with what lies beside it under the name with that suffix (NULL: nothing).
static void add_leftover(struct usage *u, const char *machine, const char *path, const char *suffix)
{
	cleanup_free char *beside = suffix ? xasprintf("%s%s", path, suffix) : NULL;

	if (!is_untouched(path))
		return;
	struct usage_item *item = add_item(u, USAGE_LEFTOVERS, machine);
	add_path(u, item, path);
	if (beside)
		add_path(u, item, beside);
}

// The temporary files of a folder.
static void collect_temporaries(struct usage *u, const char *machine, const char *folder)
{
	cleanup_strv struct strv names = STRV_INIT;

	file_list(folder, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(folder, names.items[i]);
		if (is_temporary(names.items[i]))
			add_leftover(u, machine, path, NULL);
	}
}

static void collect_systems(const struct context *ctx, const struct queries *machines, struct usage *u)
{
	cleanup_free char *systems = system_cache(ctx);
	cleanup_strv struct strv names = STRV_INIT;

	file_list(systems, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(systems, names.items[i]);
		cleanup_free char *kernel = path_join(path, SYSTEM_KERNEL);
		if (strcmp(names.items[i], SYSTEM_UNFINISHED) == 0)
			continue;
		struct usage_item *item = add_item(u, USAGE_SYSTEMS, NULL);
		add_path(u, item, path);
		find_users(machines, kernel, "system/" SYSTEM_KERNEL, &item->used_by);
		find_users(machines, kernel, "system.old/" SYSTEM_KERNEL, &item->used_by); // during an upgrade
		if (!item->used_by.count && system_is_used(path))
			strv_push(&item->used_by, "(another)");
	}
}

static void collect_templates(const struct context *ctx, struct usage *u)
{
	cleanup_free char *cache = templates_cache(ctx);
	cleanup_strv struct strv names = STRV_INIT;

	file_list(cache, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(cache, names.items[i]);
		if (strcmp(names.items[i], TEMPLATES_UNFINISHED) == 0)
			continue;
		struct usage_item *item = add_item(u, USAGE_TEMPLATES, NULL);
		add_path(u, item, path);
		item->only_all = !templates_is_stale(ctx, path);
	}
}

static void collect_images(const struct context *ctx, const struct queries *machines, struct usage *u)
{
	cleanup_free char *image = image_cache_path(ctx);
	cleanup_free char *downloads = path_join(ctx->storage_path, "cache/downloads");
	cleanup_strv struct strv names = STRV_INIT;

	if (file_exists(image)) {
		struct usage_item *item = add_item(u, USAGE_IMAGES, NULL);
		add_path(u, item, image);
		find_users(machines, image, "boot2docker.iso", &item->used_by);
		item->only_all = true;
	}
	file_list(downloads, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(downloads, names.items[i]);
		cleanup_free char *tag = xasprintf("%s.tag", path);
		if (!has_ending(path, ".iso"))
			continue;
		struct usage_item *item = add_item(u, USAGE_IMAGES, NULL);
		add_path(u, item, path);
		add_path(u, item, tag);
		find_users_of_download(machines, path, &item->used_by);
		item->only_all = true;
	}
}

static void collect_cache_leftovers(const struct context *ctx, struct usage *u)
{
	cleanup_free char *unfinished = path_join(ctx->storage_path, "cache/systems/" SYSTEM_UNFINISHED);
	cleanup_free char *template = templates_unfinished(ctx);
	static const char *const folders[] = { "certs", "cache", "cache/downloads" };

	add_leftover(u, NULL, unfinished, NULL);
	add_leftover(u, NULL, template, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		cleanup_free char *folder = path_join(ctx->storage_path, folders[i]);
		cleanup_strv struct strv names = STRV_INIT;
		collect_temporaries(u, NULL, folder);
		file_list(folder, &names);
		for (size_t k = 0; k < names.count; k++) {
			cleanup_free char *path = path_join(folder, names.items[k]);
			if (has_ending(path, ".part"))
				add_leftover(u, NULL, path, ".tag");
		}
	}
}

// --- machines ---

// By its name: the disk of a machine of ours, of Docker Machine's, or one that somebody put there. What may hold data is no leftover.
static bool is_disk(const char *name)
{
	static const char *const endings[] = { ".qcow2", ".vmdk", ".vdi", ".vhd", ".vhdx", ".img", ".raw", ".dsk" };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (has_ending(name, endings[i]))
			return true;
	return strncmp(name, "disk.", 5) == 0;
}

bool usage_is_half_made(const struct context *ctx, const char *name)
{
	cleanup_free char *folder = xasprintf("%s/machines/%s", ctx->storage_path, name);
	cleanup_free char *config = path_join(folder, "config.json");
	cleanup_machine struct machine *m = NULL;
	cleanup_strv struct strv names = STRV_INIT;

	file_list(folder, &names);
	for (size_t i = 0; i < names.count; i++)
		if (is_disk(names.items[i]))
			return false;
	if (!file_exists(config))
		return true;
	// A damaged one may be anything.
	return machine_load(ctx, name, &m, NULL) == 0 && m->driver && m->driver->install_image &&
	       json_bool_at(m->config, "Driver.AwaitsProvision", false);
}

static void collect_saved(struct usage *u, const char *machine, const char *folder)
{
	cleanup_free char *state = path_join(folder, "machine.state");
	cleanup_free char *description = path_join(folder, "saved.json");

	if (!file_exists(state) || !file_exists(description))
		return;
	struct usage_item *item = add_item(u, USAGE_SAVED, machine);
	add_path(u, item, state);
	add_path(u, item, description);
	strv_push(&item->used_by, machine);
}

static void collect_unfinished(struct usage *u, const char *machine, const char *folder)
{
	static const char *const names[] = { "machine.state.tmp", "system.new", "provision.tar", "host-key.tmp",
					     "host-key.tmp.pub" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = path_join(folder, names[i]);
		add_leftover(u, machine, path, NULL);
	}
	collect_temporaries(u, machine, folder);
}

// What is special first, so that the rest is the machine.
static void collect_special(const struct context *ctx, const struct queries *machines, struct usage *u)
{
	for (size_t i = 0; i < machines->count; i++) {
		const char *name = machines->items[i].name;
		cleanup_free char *folder = xasprintf("%s/machines/%s", ctx->storage_path, name);
		if (usage_is_half_made(ctx, name) && is_untouched(folder)) {
			add_leftover(u, name, folder, NULL);
			continue;
		}
		collect_saved(u, name, folder);
		collect_unfinished(u, name, folder);
	}
}

static bool is_leftover(const struct usage *u, const char *folder)
{
	for (size_t i = 0; i < u->count; i++)
		if (u->items[i].kind == USAGE_LEFTOVERS && strcmp(u->items[i].paths.items[0], folder) == 0)
			return true;
	return false;
}

static void collect_machines(const struct context *ctx, const struct queries *machines, struct usage *u)
{
	for (size_t i = 0; i < machines->count; i++) {
		const struct query *q = &machines->items[i];
		cleanup_free char *folder = xasprintf("%s/machines/%s", ctx->storage_path, q->name);
		if (is_leftover(u, folder))
			continue;
		struct usage_item *item = add_item(u, USAGE_MACHINES, q->name);
		add_path(u, item, folder);
		if (q->state == STATE_RUNNING)
			strv_push(&item->used_by, q->name);
	}
}

static void collect_all(const struct context *ctx, const struct queries *machines, struct usage *u)
{
	collect_systems(ctx, machines, u);
	collect_templates(ctx, u);
	collect_images(ctx, machines, u);
	collect_cache_leftovers(ctx, u);
	collect_special(ctx, machines, u);
	collect_machines(ctx, machines, u);
}

static int compare_items(const void *a, const void *b)
{
	const struct usage_item *one = a, *other = b;

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return natural_compare(one->paths.items[0], other->paths.items[0]);
}

// What went away while it was looked at has no path.
static void drop_empty(struct usage *u)
{
	size_t kept = 0;

	for (size_t i = 0; i < u->count; i++) {
		if (u->items[i].paths.count)
			u->items[kept++] = u->items[i];
		else
			item_done(&u->items[i]);
	}
	u->count = kept;
}

int usage_collect(const struct context *ctx, struct usage *ret, struct error *err)
{
	struct queries machines = { .items = NULL };
	int r = queries_load(ctx, &machines, err);

	if (r == 0) {
		*ret = (struct usage){ .items = NULL };
		queries_ask(&machines, false, STATE_TIMEOUT_MS);
		collect_all(ctx, &machines, ret);
		drop_empty(ret);
		if (ret->count)
			qsort(ret->items, ret->count, sizeof(*ret->items), compare_items);
	}
	queries_done(&machines);
	return r;
}

// --- removing ---

static int remove_paths(const struct usage_item *item, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < item->paths.count && r == 0; i++)
		r = file_remove_tree(item->paths.items[i], err);
	return r < 0 ? r : 1;
}

// As `create` would have done it: a hypervisor may know of the machine already.
static int remove_half_made(const struct context *ctx, const struct usage_item *item, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	struct error ignored = ERROR_INIT;

	if (!usage_is_half_made(ctx, item->machine))
		return 0;
	int r = machine_load(ctx, item->machine, &m, &ignored) == 0 ? machine_end(m, err) : 0;
	return r < 0 ? r : remove_paths(item, err);
}

static int remove_leftover(const struct context *ctx, const struct usage_item *item, struct error *err)
{
	cleanup_close int lock = -1;
	int r = item->machine ? machine_lock(ctx, item->machine, &lock, err) : 0;

	if (r == -EWOULDBLOCK)
		return 0;
	if (r < 0 || !is_untouched(item->paths.items[0]))
		return r;
	return item->machine && strcmp(path_base(item->paths.items[0]), item->machine) == 0
		       ? remove_half_made(ctx, item, err)
		       : remove_paths(item, err);
}

static bool is_of_templates(const struct context *ctx, const struct usage_item *item)
{
	cleanup_free char *unfinished = templates_unfinished(ctx);

	return item->kind == USAGE_TEMPLATES || strcmp(item->paths.items[0], unfinished) == 0;
}

// But not while somebody makes one, or takes it.
static int remove_template(const struct context *ctx, const struct usage_item *item, struct error *err)
{
	cleanup_close int lock = -1;
	int r = templates_lock(ctx, false, &lock, err);

	if (r == -EWOULDBLOCK)
		error_clear(err);
	if (r < 0)
		return r == -EWOULDBLOCK ? 0 : r;
	return remove_paths(item, err);
}

int usage_remove(const struct context *ctx, const struct usage_item *item, struct error *err)
{
	cleanup_close int systems = -1;
	struct stat st;

	if (is_of_templates(ctx, item))
		return remove_template(ctx, item, err);
	int r = system_cache_lock(ctx, &systems, err);

	if (r < 0 || !usage_is_free(item))
		return r;
	switch (item->kind) {
	case USAGE_LEFTOVERS:
		return remove_leftover(ctx, item, err);
	case USAGE_SYSTEMS:
		return system_is_used(item->paths.items[0]) ? 0 : remove_paths(item, err);
	default: // an image: a machine may have been made of it meanwhile
		return lstat(item->paths.items[0], &st) < 0 || st.st_nlink > 1 ? 0 : remove_paths(item, err);
	}
}
