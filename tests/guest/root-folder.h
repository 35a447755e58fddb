// SPDX-License-Identifier: Apache-2.0
// Setup and teardown of a test that has a root folder of its own and reads what was logged; included by one test program each.
#pragma once

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

static struct error err;
static char *root;
static struct buf log_text;

static void keep_line(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	buf_printf(&log_text, "%s\n", line);
}

static int make_root(void **state)
{
	(void)state;
	error_clear(&err);
	root = test_folder();
	log_set_sink(keep_line, NULL);
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	int r = file_remove_tree(root, &err);
	free(root);
	buf_done(&log_text);
	return r;
}

// Makes a file below the root, and the folders that it is in.
static inline void put_file(const char *name, const char *text)
{
	cleanup_free char *path = path_join(root, name);
	cleanup_free char *folder = path_dir(path);

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace_text(path, text, 0644, &err), &err);
}
