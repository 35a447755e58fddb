// SPDX-License-Identifier: Apache-2.0
// Fuzzes the texts of distro/: the input is read as a slice and as the table of users.
#include "image/manifest.h"
#include "image/users.h"
#include "lib/alloc.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_manifest struct manifest m = { .layer_count = 1 };
	cleanup_tree struct node *root = tree_new();
	struct users *users = NULL;

	m.layers = xcalloc(1, sizeof(*m.layers));
	m.layers[0].name = xstrdup("base");
	if (manifest_read_slice_text(&m, "fuzz.slice", (const char *)data, size, NULL) < 0 &&
	    users_read_text("users", (const char *)data, size, &users, NULL) < 0)
		return 0;
	if (users && users_write(users, root, 0, 0, NULL) < 0)
		abort();
	users_free(users);
	return 0;
}
