// SPDX-License-Identifier: Apache-2.0
// Closes the tree over DT_NEEDED: a queue of ELF files; what one asks for and the tree lacks is taken from a pool and
// queued itself.

#include "image/libraries.h"

#include "image/compose.h"
#include "image/elf_file.h"
#include "lib/alloc.h"
#include "lib/path.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_MAX 8

// Where the dynamic loader looks without being told.
static const char *const standard_folders[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib" };

struct closure {
	const struct packages *packages;
	struct node *root;
	int layer; // the one being gone through
	struct strv queue; // paths of files in the tree whose needs are still to be looked at
	struct strv missing; // names
	struct buf complaint; // "libx.so.1 (for /usr/bin/y), …"
};

static int queue_file(struct node *node, void *arg, struct error *err)
{
	struct closure *c = arg;
	cleanup_free char *path = NULL;

	(void)err;
	if (node->type != NODE_FILE || node->layer != c->layer || !elf_is_elf(node->blob->data, node->blob->size))
		return 0;
	path = tree_path(node);
	// Kernel modules and boot loaders' parts are ELF files that no dynamic loader reads.
	if (strncmp(path, "/usr/lib/modules/", 17) != 0)
		strv_push(&c->queue, path);
	return 0;
}

// Takes `path` from a pool: 1 when it is there. A link is followed, and each file on the way is taken.
static int take_from_pools(struct closure *c, const char *path, struct error *err)
{
	for (size_t i = 0; i < c->packages->count; i++) {
		const struct package *p = &c->packages->items[i];
		const struct deb_entry *entry = p->is_pool ? deb_find(&p->deb, path) : NULL;
		cleanup_free char *at = xstrdup(path);
		int r;

		for (int links = 0; entry && links < LINKS_MAX; links++) {
			cleanup_free char *dir = path_dir(at);

			r = compose_take(p, entry, c->layer, c->root, err);
			if (r < 0)
				return r;
			if (entry->type != S_IFLNK) {
				strv_push(&c->queue, at);
				return 1;
			}
			free(at);
			at = entry->target[0] == '/' ? xstrdup(entry->target) : path_join(dir, entry->target);
			entry = deb_find(&p->deb, at);
		}
	}
	return 0;
}

// Looks for a library in one folder, in the tree first: 1 when it is (now) in the tree.
static int find_in_folder(struct closure *c, const char *folder, const char *name, struct error *err)
{
	cleanup_free char *path = path_join(folder, name);

	if (tree_has(c->root, path))
		return 1;
	return take_from_pools(c, path, err);
}

// One entry of a run path, with $ORIGIN for the folder of the file that has it.
static char *expand_origin(const char *entry, const char *needer)
{
	static const char *const marks[] = { "$ORIGIN", "${ORIGIN}" };
	cleanup_free char *dir = path_dir(needer);

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (strncmp(entry, marks[i], strlen(marks[i])) == 0)
			return xasprintf("%s%s", dir, entry + strlen(marks[i]));
	}
	return xstrdup(entry);
}

static int find_library(struct closure *c, const struct elf_needs *needs, const char *needer, const char *name,
			struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < needs->search.count; i++) {
		cleanup_free char *folder = expand_origin(needs->search.items[i], needer);

		r = find_in_folder(c, folder, name, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(standard_folders); i++)
		r = find_in_folder(c, standard_folders[i], name, err);
	return r;
}

static void complain(struct closure *c, const char *name, const char *needer)
{
	if (strv_contains(&c->missing, name))
		return;
	strv_push(&c->missing, name);
	buf_printf(&c->complaint, "%s%s (needed by %s)", c->complaint.len > 0 ? ", " : "", name, needer);
}

// The loader's own path may have a short name: /lib64/ld-linux-x86-64.so.2 is in /usr/lib64.
static int find_interpreter(struct closure *c, const char *interpreter, const char *needer, struct error *err)
{
	cleanup_free char *merged =
		strncmp(interpreter, "/lib", 4) == 0 ? xasprintf("/usr%s", interpreter) : xstrdup(interpreter);
	int r = tree_has(c->root, merged) ? 1 : take_from_pools(c, merged, err);

	if (r == 0)
		complain(c, interpreter, needer);
	return r < 0 ? r : 0;
}

static int close_one(struct closure *c, const char *path, struct error *err)
{
	cleanup_elf_needs struct elf_needs needs = { .interpreter = NULL };
	struct node *node;
	int r;

	r = tree_lookup(c->root, path, true, &node, err);
	if (r < 0)
		return r;
	if (elf_read_needs(node->blob->data, node->blob->size, &needs, err) < 0)
		return error_wrap(err, "%s (from %s)", path, node->origin);
	if (needs.interpreter)
		r = find_interpreter(c, needs.interpreter, path, err);
	for (size_t i = 0; r >= 0 && i < needs.needed.count; i++) {
		r = find_library(c, &needs, path, needs.needed.items[i], err);
		if (r == 0)
			complain(c, needs.needed.items[i], path);
	}
	return r < 0 ? r : 0;
}

static int close_layer(struct closure *c, struct error *err)
{
	int r;

	strv_done(&c->queue);
	r = tree_walk(c->root, queue_file, c, err);
	for (size_t i = 0; r == 0 && i < c->queue.count; i++) {
		cleanup_free char *path = xstrdup(c->queue.items[i]); // the queue grows meanwhile

		r = close_one(c, path, err);
	}
	return r;
}

static int close_all(struct closure *c, size_t layer_count, struct error *err)
{
	int r = 0;

	for (c->layer = 0; r == 0 && (size_t)c->layer < layer_count; c->layer++)
		r = close_layer(c, err);
	if (r == 0 && c->missing.count > 0)
		r = error_say(err, ENOENT,
			      "missing shared libraries: %s; name their packages in a \"libraries\" line of a slice",
			      buf_str(&c->complaint));
	return r;
}

int libraries_add(const struct packages *packages, size_t layer_count, struct node *root, struct strv *ret_missing,
		  struct error *err)
{
	struct closure c = { .packages = packages, .root = root };
	int r = close_all(&c, layer_count, err);

	if (ret_missing && c.missing.count > 0)
		strv_push_all(ret_missing, (const char *const *)strv_argv(&c.missing));
	strv_done(&c.queue);
	strv_done(&c.missing);
	buf_done(&c.complaint);
	return r;
}

char *libraries_guess_package(const char *soname)
{
	const char *so = strstr(soname, ".so");
	size_t stem = so ? (size_t)(so - soname) : strlen(soname);
	const char *version = so && so[3] == '.' ? so + 4 : "";
	bool needs_dash = stem > 0 && isdigit((unsigned char)soname[stem - 1]) && *version;
	char *name = xasprintf("%.*s%s%s", (int)stem, soname, needs_dash ? "-" : "", version);

	for (char *p = name; *p; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	return name;
}
