// SPDX-License-Identifier: Apache-2.0
// The inode tree.

#include "image/tree.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>

#define LINKS_MAX 40

static struct node *node_new(const char *name, enum node_type type)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->name = xstrdup(name);
	n->type = type;
	n->mode = 0755;
	return n;
}

struct node *tree_new(void)
{
	return node_new("", NODE_DIR);
}

void tree_free(struct node *root)
{
	if (!root)
		return;
	for (size_t i = 0; i < root->child_count; i++)
		tree_free(root->children[i]);
	free(root->children);
	blob_unref(root->blob);
	free(root->target);
	free(root->origin);
	free(root->name);
	free(root);
}

// The child's index, or where it would go.
static size_t child_position(const struct node *dir, const char *name, bool *ret_found)
{
	size_t low = 0, high = dir->child_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(dir->children[middle]->name, name);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

static struct node *child_find(const struct node *dir, const char *name)
{
	bool found;
	size_t i = child_position(dir, name, &found);

	return found ? dir->children[i] : NULL;
}

static struct node *child_insert(struct node *dir, struct node *child)
{
	bool found;
	size_t i = child_position(dir, child->name, &found);

	dir->children = xreallocarray(dir->children, dir->child_count + 1, sizeof(*dir->children));
	memmove(&dir->children[i + 1], &dir->children[i], (dir->child_count - i) * sizeof(*dir->children));
	dir->children[i] = child;
	dir->child_count++;
	child->parent = dir;
	return child;
}

char *tree_path(const struct node *node)
{
	cleanup_free char *above = NULL;

	if (!node->parent)
		return xstrdup("/");
	above = tree_path(node->parent);
	return path_join(above, node->name);
}

// One walk over a path. `rest` is what is still to go, `at` where we are; a link puts its target before the rest.
struct walk {
	struct node *root;
	struct node *at;
	char *rest;
	int links;
	bool make; // make missing folders
};

static char *next_component(struct walk *w)
{
	char *start = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(start, "/");
	char *name;

	if (len == 0)
		return NULL;
	name = xstrndup(start, len);
	memmove(w->rest, start + len, strlen(start + len) + 1);
	return name;
}

static int enter_link(struct walk *w, const struct node *link, const char *path, struct error *err)
{
	char *rest;

	if (++w->links > LINKS_MAX)
		return error_set(err, ELOOP, "following the symbolic links of %s", path);
	rest = xasprintf("%s/%s", link->target, w->rest);
	free(w->rest);
	w->rest = rest;
	if (link->target[0] == '/')
		w->at = w->root;
	return 0;
}

// Goes down one component; a link that is the last component is entered only when `follow`.
static int walk_step(struct walk *w, const char *name, bool follow, const char *path, struct error *err)
{
	struct node *child;
	bool is_last = w->rest[strspn(w->rest, "/")] == '\0';

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		w->at = w->at->parent ? w->at->parent : w->at;
		return 0;
	}
	if (w->at->type != NODE_DIR)
		return error_set(err, ENOTDIR, "%s: %s", path, w->at->name);
	child = child_find(w->at, name);
	if (!child && w->make)
		child = child_insert(w->at, node_new(name, NODE_DIR));
	if (!child)
		return error_set(err, ENOENT, "%s in the image", path);
	if (child->type == NODE_LINK && (follow || !is_last))
		return enter_link(w, child, path, err);
	w->at = child;
	return 0;
}

static int walk_path(struct node *root, const char *path, bool follow, bool make, struct node **ret, struct error *err)
{
	struct walk w = { .root = root, .at = root, .rest = xstrdup(path), .make = make };
	char *name;
	int r = 0;

	while (r == 0 && (name = next_component(&w))) {
		r = walk_step(&w, name, follow, path, err);
		free(name);
	}
	free(w.rest);
	if (r == 0)
		*ret = w.at;
	return r;
}

int tree_lookup(struct node *root, const char *path, bool follow, struct node **ret, struct error *err)
{
	return walk_path(root, path, follow, false, ret, err);
}

bool tree_has(struct node *root, const char *path)
{
	struct node *n;

	return tree_lookup(root, path, true, &n, NULL) == 0;
}

static void node_fill(struct node *n, const struct node_spec *spec)
{
	n->type = spec->type;
	n->mode = spec->mode;
	n->uid = spec->uid;
	n->gid = spec->gid;
	n->mtime = spec->mtime;
	n->layer = spec->layer;
	n->may_dangle = spec->may_dangle;
	n->is_explicit = true;
	free(n->origin);
	n->origin = xstrdup(spec->origin ? spec->origin : "");
	free(n->target);
	n->target = spec->type == NODE_LINK ? xstrdup(spec->target) : NULL;
	blob_unref(n->blob);
	n->blob = spec->type == NODE_FILE ? blob_ref(spec->blob) : NULL;
}

static bool is_same(const struct node *n, const struct node_spec *spec)
{
	if (n->type != spec->type)
		return false;
	if (n->type == NODE_LINK)
		return strcmp(n->target, spec->target) == 0;
	return n->type == NODE_FILE && n->blob->size == spec->blob->size &&
	       memcmp(n->blob->data, spec->blob->data, n->blob->size) == 0;
}

static int node_update(struct node *n, const char *path, const struct node_spec *spec, struct error *err)
{
	if (n->type == NODE_DIR && spec->type == NODE_LINK && n->child_count == 0 && spec->replace) {
		node_fill(n, spec);
		return 0;
	}
	if ((n->type == NODE_DIR) != (spec->type == NODE_DIR))
		return error_say(err, EEXIST, "%s is a folder for one of %s and %s, and none for the other", path,
				 n->origin, spec->origin);
	if (n->type != NODE_DIR && !spec->replace) {
		if (is_same(n, spec))
			return 0;
		return error_say(err, EEXIST, "%s comes from both %s and %s; choose it in one of them only", path,
				 n->origin, spec->origin);
	}
	node_fill(n, spec);
	return 0;
}

int tree_add(struct node *root, const char *path, const struct node_spec *spec, struct node **ret, struct error *err)
{
	cleanup_free char *dir = path_dir(path);
	const char *name = path_base(path);
	struct node *parent, *n;
	int r = 0;

	if (path[0] != '/' || !path_is_component(name))
		return error_say(err, EINVAL, "\"%s\" is not an absolute path of a file", path);
	r = walk_path(root, dir, true, true, &parent, err);
	if (r < 0)
		return r;
	if (parent->type != NODE_DIR)
		return error_set(err, ENOTDIR, "%s: %s", path, parent->name);
	n = child_find(parent, name);
	if (n)
		r = node_update(n, path, spec, err);
	else
		node_fill(n = child_insert(parent, node_new(name, spec->type)), spec);
	if (r == 0 && ret)
		*ret = n;
	return r;
}

int tree_remove(struct node *root, const char *path, struct error *err)
{
	struct node *n, *parent;
	bool found;
	size_t i;
	int r;

	r = tree_lookup(root, path, false, &n, err);
	if (r < 0)
		return r;
	if (!n->parent)
		return error_say(err, EINVAL, "the root cannot be removed");
	parent = n->parent;
	i = child_position(parent, n->name, &found);
	memmove(&parent->children[i], &parent->children[i + 1],
		(parent->child_count - i - 1) * sizeof(*parent->children));
	parent->child_count--;
	tree_free(n);
	return 0;
}

int tree_walk(struct node *node, tree_fn fn, void *arg, struct error *err)
{
	int r = fn(node, arg, err);

	for (size_t i = 0; r >= 0 && i < node->child_count; i++)
		r = tree_walk(node->children[i], fn, arg, err);
	return r < 0 ? r : 0;
}

static int check_link(struct node *node, void *arg, struct error *err)
{
	cleanup_free char *path = NULL;
	struct node *found;
	int r;

	if (node->type != NODE_LINK || node->may_dangle)
		return 0;
	path = tree_path(node);
	r = tree_lookup(arg, path, true, &found, NULL);
	if (r == 0)
		return 0;
	if (r == -ELOOP)
		return error_say(err, ELOOP, "%s (from %s) is a symbolic link that leads back to itself", path,
				 node->origin);
	return error_say(err, ENOENT,
			 "%s (from %s) points to %s, which nothing in the image provides; choose that file too", path,
			 node->origin, node->target);
}

int tree_check_links(struct node *root, struct error *err)
{
	return tree_walk(root, check_link, root, err);
}
