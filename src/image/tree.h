// SPDX-License-Identifier: Apache-2.0
// The model of a root file system: an inode tree, filled by rules and read by writers. Nothing here touches the disk.
//
// Invariants: children are sorted by name (bytes), names are single components, every node but the root has a parent, and
// the owner, mode and origin are those the image will have, whoever runs the builder. Paths are absolute; a symbolic link on the way is followed inside the tree, at most 40 times.
#pragma once

#include "image/blob.h"
#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum node_type { NODE_DIR, NODE_FILE, NODE_LINK };

struct node {
	char *name;
	struct node *parent;
	enum node_type type;
	mode_t mode; // permission bits
	uid_t uid;
	gid_t gid;
	int64_t mtime; // its package's, or 0: it has none of its own. Times are a layer's in the end, see layer.h
	char *target; // NODE_LINK
	struct blob *blob; // NODE_FILE
	int layer; // which layer it is written to; a folder is also written to each layer that has something in it
	bool is_explicit; // a folder that was asked for, not just made on the way to a file
	bool may_dangle; // NODE_LINK: its target may be missing (made at run time)
	char *origin; // the package, or the slice, that it comes from
	struct node **children; // NODE_DIR
	size_t child_count;
};

// What to add; strings are copied, the blob gets a reference.
struct node_spec {
	enum node_type type;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime;
	const char *target;
	struct blob *blob;
	int layer;
	bool may_dangle;
	bool replace; // take the place of a file or link that is there; else two origins for one path are an error
	const char *origin;
};

struct node *tree_new(void);
void tree_free(struct node *root);

#define cleanup_tree CLEANUP(tree_cleanup)
static inline void tree_cleanup(struct node **root)
{
	tree_free(*root);
}

// Adds a node, making the folders above it (0755 root:root). A folder that exists takes the spec's mode and owner. The
// same bytes, or the same link, from two origins are no conflict. `ret` may be NULL.
int tree_add(struct node *root, const char *path, const struct node_spec *spec, struct node **ret,
	     struct error *err) MUST_CHECK;

// The node at a path. `follow`: also follows a link in the last component. Errors: ENOENT, ENOTDIR, ELOOP.
int tree_lookup(struct node *root, const char *path, bool follow, struct node **ret, struct error *err) MUST_CHECK;
bool tree_has(struct node *root, const char *path); // follows links
int tree_remove(struct node *root, const char *path, struct error *err) MUST_CHECK;

char *tree_path(const struct node *node); // "/usr/bin/x"; "/" for the root. The caller frees.

// Calls `fn` for the node and all below it, parents first, children in name order; stops at the first error.
typedef int (*tree_fn)(struct node *node, void *arg, struct error *err);
int tree_walk(struct node *node, tree_fn fn, void *arg, struct error *err) MUST_CHECK;

// Fails for the first link that leads nowhere in the tree and may not dangle.
int tree_check_links(struct node *root, struct error *err) MUST_CHECK;
