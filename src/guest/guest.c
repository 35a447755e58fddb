// SPDX-License-Identifier: Apache-2.0
// Paths and small files beneath the root.
#include "guest.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <dirent.h>
#include <string.h>

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

static bool ends_in_one_of(const char *name, const char *const *endings)
{
	size_t len = strlen(name);

	for (; *endings; endings++) {
		size_t end = strlen(*endings);

		if (len > end && strcmp(name + len - end, *endings) == 0)
			return true;
	}
	return false;
}

void guest_files(const struct guest *g, const char *folder, const char *const *endings, struct strv *ret)
{
	cleanup_free char *path = guest_path(g, folder);
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && ret->count < GUEST_FILES_MAX) {
		cleanup_free char *file = path_join(path, entry->d_name);

		if (entry->d_name[0] != '.' && ends_in_one_of(entry->d_name, endings))
			strv_push(ret, file);
	}
	if (dir)
		closedir(dir);
	strv_sort(ret);
}
