// SPDX-License-Identifier: Apache-2.0
// The size table: what takes how much space.
#pragma once

#include "image/manifest.h"
#include "image/tree.h"
#include "lib/buf.h"

#include <stdint.h>

struct report_spec {
	const struct manifest *manifest;
	struct node *root;
	const uint64_t *layer_sizes; // of each layer's squashfs
	uint64_t kernel_size, initrd_size, iso_size; // 0: not made
	size_t module_count;
};

// Appends a table of bytes by origin (package or slice), largest first, then layers and totals. The packed size of an
// origin is its share of its layer's, so it is an estimate; those of layers and totals are exact.
void report_print(const struct report_spec *spec, struct buf *ret);
