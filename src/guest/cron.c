// SPDX-License-Identifier: Apache-2.0
// What happens by the clock.
#include "cron.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_FOLDER GUEST_DATA "/log"

static void rotate_file(const char *path, off_t max)
{
	cleanup_free char *old = xasprintf("%s.1", path);
	struct error err = ERROR_INIT;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= max)
		return;
	// What is written between the two is lost. Services write with O_APPEND: they go on at the new end.
	if (file_copy(path, old, 0644, &err) < 0)
		log_warn("rotating %s: %s; it is only emptied", path, err.msg);
	if (truncate(path, 0) < 0)
		log_warn("empty %s: %s", path, strerror(errno));
}

void cron_rotate(const struct guest *g, off_t max)
{
	static const char *const folders[] = { "/var/log", GUEST_DATA, LOG_FOLDER };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		cleanup_free char *folder = guest_path(g, folders[i]);
		DIR *dir = opendir(folder);
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			cleanup_free char *path = path_join(folder, entry->d_name);
			size_t len = strlen(entry->d_name);

			if (len > 4 && strcmp(entry->d_name + len - 4, ".log") == 0)
				rotate_file(path, max);
		}
		if (dir)
			closedir(dir);
	}
}

int cron_rotate_main(int argc, char **argv)
{
	const struct guest g = { .root = "" };

	(void)argc;
	(void)argv;
	cron_rotate(&g, CRON_LOG_MAX);
	return 0;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	static const char *const argv[] = { "/usr/bin/crond",        "-f", "-c", "/var/spool/cron/crontabs", "-L",
					    LOG_FOLDER "/crond.log", NULL };
	cleanup_free char *folder = guest_path(g, LOG_FOLDER);

	strv_push_all(&launch->argv, argv);
	return file_mkdirs(folder, 0755, err);
}

const struct service_row cron_service = {
	.name = "crond",
	.prepare = prepare,
	.after = "engine-ready",
	.stop_order = 2,
};
