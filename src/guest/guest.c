// SPDX-License-Identifier: Apache-2.0
// Paths and small files beneath the root.
#include "guest.h"

#include "lib/alloc.h"
#include "lib/file.h"

char *guest_path(const struct guest *g, const char *path)
{
	return xasprintf("%s%s", g->root, path);
}

char *guest_read(const struct guest *g, const char *path)
{
	cleanup_free char *full = guest_path(g, path);
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(full, 64 * 1024, &text, NULL) < 0)
		return NULL;
	buf_trim_end(&text);
	return buf_steal(&text);
}

int guest_write(const struct guest *g, const char *path, const char *text, struct error *err)
{
	cleanup_free char *full = guest_path(g, path);

	return file_replace_text(full, text, 0644, err);
}
