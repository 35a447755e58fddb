// SPDX-License-Identifier: Apache-2.0
// Unit tests of file, json, lock and log: what touches the file system.
#include "test.h"

#include "lib/file.h"
#include "lib/json.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct error err;
static char *folder;

static int make_folder(void **state)
{
	(void)state;
	folder = test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	error_clear(&err);
	int r = file_remove_tree(folder, &err);
	free(folder);
	return r;
}

static char *in_folder(const char *name)
{
	return path_join(folder, name);
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		count += e->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void a_replaced_file_has_its_mode_and_leaves_nothing_else(void **state)
{
	cleanup_free char *path = in_folder("key.pem");
	cleanup_buf struct buf text = BUF_INIT;
	struct stat st;

	(void)state;
	assert_ok(file_replace_text(path, "old", 0644, &err), &err);
	assert_ok(file_replace_text(path, "new", 0600, &err), &err);
	assert_ok(file_read(path, 100, &text, &err), &err);
	assert_string_equal(buf_str(&text), "new");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(folder), 1);
}

static void an_aborted_write_keeps_the_old_file(void **state)
{
	cleanup_free char *path = in_folder("config.json");
	cleanup_buf struct buf text = BUF_INIT;
	struct file_writer w = FILE_WRITER_INIT;

	(void)state;
	assert_ok(file_replace_text(path, "good", 0600, &err), &err);
	assert_ok(file_writer_open(&w, path, 0600, &err), &err);
	assert_ok(file_write_fd(w.fd, path, "half", 4, &err), &err);
	file_writer_abort(&w);
	assert_ok(file_read(path, 100, &text, &err), &err);
	assert_string_equal(buf_str(&text), "good");
	assert_int_equal(entries(folder), 1);
}

static void reading_is_bounded(void **state)
{
	cleanup_free char *path = in_folder("big");
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	assert_ok(file_replace_text(path, "12345678", 0600, &err), &err);
	assert_int_equal(file_read(path, 7, &text, &err), -EFBIG);
	buf_clear(&text);
	assert_ok(file_read(path, 8, &text, &err), &err);
	assert_int_equal(file_read("/dev/zero", 100000, &text, &err), -EFBIG);
	assert_int_equal(file_read("/nowhere/x", 10, &text, &err), -ENOENT);
	assert_string_equal(err.msg, "open /nowhere/x: No such file or directory");
}

static void a_full_disk_is_an_error_and_not_a_short_file(void **state)
{
	cleanup_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write_fd(fd, "/dev/full", "x", 1, &err), -ENOSPC);
	assert_string_equal(err.msg, "write /dev/full: No space left on device");
}

static void removing_a_tree_does_not_follow_links(void **state)
{
	cleanup_free char *tree = in_folder("tree/a/b");
	cleanup_free char *top = in_folder("tree");
	cleanup_free char *kept = in_folder("kept");
	cleanup_free char *link = in_folder("tree/a/link");
	cleanup_free char *inside = in_folder("kept/file");

	(void)state;
	assert_ok(file_mkdirs(tree, 0755, &err), &err);
	assert_ok(file_mkdirs(tree, 0755, &err), &err);
	assert_ok(file_mkdirs(kept, 0755, &err), &err);
	assert_ok(file_replace_text(inside, "x", 0644, &err), &err);
	assert_int_equal(symlink(kept, link), 0);
	assert_ok(file_remove_tree(top, &err), &err);
	assert_false(file_exists(top));
	assert_true(file_exists(inside));
	assert_ok(file_remove_tree(top, &err), &err); // a missing one is success
	assert_int_equal(file_mkdirs(inside, 0755, &err), -ENOTDIR);
}

static void a_copy_has_the_same_bytes(void **state)
{
	cleanup_free char *from = in_folder("from"), *to = in_folder("to");
	cleanup_buf struct buf data = BUF_INIT, copy = BUF_INIT;

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_printf(&data, "%d\n", i);
	assert_ok(file_replace(from, data.data, data.len, 0644, &err), &err);
	assert_ok(file_copy(from, to, 0600, &err), &err);
	assert_ok(file_read(to, data.len, &copy, &err), &err);
	assert_int_equal(copy.len, data.len);
	assert_memory_equal(copy.data, data.data, data.len);
	// A file of /proc has no size and no reflinks: it is read.
	assert_ok(file_copy("/proc/self/status", to, 0600, &err), &err);
	buf_clear(&copy);
	assert_ok(file_read(to, 1 << 20, &copy, &err), &err);
	assert_contains(buf_str(&copy), "VmRSS");
}

static void json_survives_a_round_trip_with_its_order(void **state)
{
	cleanup_free char *path = in_folder("config.json");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *root = json_object(), *back = NULL;

	(void)state;
	json_put(root, "Zeta", json_integer(3));
	json_put(root, "HostOptions.EngineOptions.Env", json_array());
	json_put(root, "HostOptions.Alpha", json_string("x"));
	assert_ok(json_write_file(path, root, 0600, &err), &err);
	assert_ok(file_read(path, 1000, &text, &err), &err);
	assert_contains(buf_str(&text), "{\n    \"Zeta\": 3,\n    \"HostOptions\": {\n        \"EngineOptions\"");
	assert_ok(json_read_file(path, 1000, &back, &err), &err);
	assert_int_equal(json_int_at(back, "Zeta", 0), 3);
	assert_string_equal(json_str_at(back, "HostOptions.Alpha", "?"), "x");
	assert_string_equal(json_str_at(back, "Zeta", "?"), "?");
	assert_string_equal(json_str_at(back, "HostOptions.Alpha.Deeper", "?"), "?");
	assert_null(json_at(back, "Nothing.Here"));
	assert_true(json_bool_at(back, "Zeta", true));
}

static void damaged_json_is_named_with_its_line(void **state)
{
	cleanup_free char *path = in_folder("config.json");
	json_t *root = NULL;

	(void)state;
	assert_ok(file_replace_text(path, "{\n \"a\": 1,\n", 0600, &err), &err);
	assert_int_equal(json_read_file(path, 1000, &root, &err), -EBADMSG);
	assert_contains(err.msg, "config.json, line ");
	assert_null(root);
}

static void a_lock_is_exclusive_and_dies_with_its_holder(void **state)
{
	cleanup_free char *path = in_folder("lock");
	int ready[2], fd = -1;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		int held;
		if (lock_take(path, 0, &held, NULL) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(lock_take(path, 50, &fd, &err), -EWOULDBLOCK);
	assert_int_equal(fd, -1);
	assert_contains(err.msg, "is locked by another process");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_ok(lock_take(path, 0, &fd, &err), &err);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

static void keep_line(enum log_level level, const char *line, void *arg)
{
	(void)level;
	strv_push(arg, line);
}

static void log_lines_go_to_the_sink_up_to_the_level(void **state)
{
	cleanup_strv struct strv lines = STRV_INIT;

	(void)state;
	log_set_sink(keep_line, &lines);
	log_info("a %d", 1);
	log_debug("hidden");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(log_sink_stderr, NULL);
	assert_int_equal(lines.count, 2);
	assert_string_equal(lines.items[0], "a 1");
	assert_string_equal(lines.items[1], "shown");
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_folder(a_replaced_file_has_its_mode_and_leaves_nothing_else),
		with_folder(an_aborted_write_keeps_the_old_file),
		with_folder(reading_is_bounded),
		cmocka_unit_test(a_full_disk_is_an_error_and_not_a_short_file),
		with_folder(removing_a_tree_does_not_follow_links),
		with_folder(a_copy_has_the_same_bytes),
		with_folder(json_survives_a_round_trip_with_its_order),
		with_folder(damaged_json_is_named_with_its_line),
		with_folder(a_lock_is_exclusive_and_dies_with_its_holder),
		cmocka_unit_test(log_lines_go_to_the_sink_up_to_the_level),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
