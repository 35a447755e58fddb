// SPDX-License-Identifier: Apache-2.0
// Writers of the tree: squashfs layers (a tar made from the tree, read by mksquashfs, so no root is needed) and the initrd.
#pragma once

#include "image/manifest.h"
#include "image/tree.h"

#include <stdint.h>

struct layer_spec {
	const struct manifest *manifest;
	int index; // which layer
	struct node *root;
	int64_t epoch; // no file is newer
	const char *cache; // made layers are kept in CACHE/layers under the hash of what went into them
	int jobs;
};

// Everything in a layer has one time: that of its newest file, at most the epoch. So a layer of nothing but packages stays
// the same, and cached, when only the epoch changes.
// Makes the layer, or finds it in the cache; `ret_path` is its file in the cache (the caller frees).
int layer_make(const struct layer_spec *spec, char **ret_path, struct error *err) MUST_CHECK;
uint64_t layer_raw_size(struct node *root, int index); // the bytes of its files, before compression

// Writes the initrd: a newc cpio of the tree, every entry owned as the tree says, to the fd.
int initrd_write(struct node *root, int64_t epoch, int fd, struct error *err) MUST_CHECK;
