// SPDX-License-Identifier: Apache-2.0
// Unit tests of the user's scripts: what they print is logged line by line, what they leave running does not hold up the boot.
#include "../unit/test.h"

#include "bootlog.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "scripts.h"

#include <errno.h>

static struct error err;
static struct guest guest;

static int make_root(void **state)
{
	(void)state;
	error_clear(&err);
	guest = (struct guest){ .root = test_folder() };
	bootlog_open(&guest);
	bootlog_attach_file(&guest);
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	int r = file_remove_tree(guest.root, &err);
	free((char *)guest.root);
	return r;
}

static void put(const char *path, const char *text)
{
	cleanup_free char *full = guest_path(&guest, path);
	cleanup_free char *folder = path_dir(full);

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace_text(full, text, 0644, &err), &err);
}

static char *read_log(const char *path)
{
	char *text = guest_read(&guest, path);

	return text ? text : xstrdup("");
}

static void each_line_of_bootsync_is_in_the_boot_log(void **state)
{
	(void)state;
	put(GUEST_DATA "/bootsync.sh", "echo one\necho two >&2\nprintf 'and no end'\n");
	assert_ok(scripts_bootsync(&guest, &err), &err);
	cleanup_free char *log = read_log(BOOTLOG_FILE);

	assert_contains(log, " bootsync.sh: one\n");
	assert_contains(log, " bootsync.sh: two\n");
	assert_contains(log, " bootsync.sh: and no end");
	assert_contains(log, " bootsync.sh ended with exit status 0");
}

static void a_script_that_fails_is_named(void **state)
{
	(void)state;
	put(GUEST_DATA "/bootsync.sh", "exit 3\n");
	assert_int_equal(scripts_bootsync(&guest, &err), -EPROTO);
	assert_string_equal(err.msg, "bootsync.sh failed with exit status 3");
}

static void what_bootsync_leaves_running_does_not_hold_up_the_boot_and_is_still_logged(void **state)
{
	int64_t start = clock_ms();

	(void)state;
	put(GUEST_DATA "/bootsync.sh", "(sleep 2; echo later) &\necho started\n");
	assert_ok(scripts_bootsync(&guest, &err), &err);
	assert_true(clock_ms() - start < 1900);
	for (int i = 0; i < 500; i++) {
		cleanup_free char *log = read_log(BOOTLOG_FILE);

		if (strstr(log, "bootsync.sh: later"))
			return;
		clock_sleep_ms(20);
	}
	fail_msg("the line that came later is not in the log");
}

static void a_line_without_end_is_broken_up(void **state)
{
	(void)state;
	put(GUEST_DATA "/bootsync.sh", "head -c 20000 /dev/zero | tr '\\0' x\necho\necho done\n");
	assert_ok(scripts_bootsync(&guest, &err), &err);
	cleanup_free char *log = read_log(BOOTLOG_FILE);

	assert_contains(log, "bootsync.sh: xxxx");
	assert_contains(log, "bootsync.sh: done");
}

static void bootlocal_has_a_log_of_its_own(void **state)
{
	(void)state;
	put("/var/log/old.log", "");
	assert_ok(scripts_bootlocal(&guest, &err), &err);
	put(GUEST_DATA "/bootlocal.sh", "echo local\n");
	assert_ok(scripts_bootlocal(&guest, &err), &err);
	cleanup_free char *log = read_log("/var/log/bootlocal.log");

	assert_string_equal(log, "local");
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_root(each_line_of_bootsync_is_in_the_boot_log),
		with_root(a_script_that_fails_is_named),
		with_root(what_bootsync_leaves_running_does_not_hold_up_the_boot_and_is_still_logged),
		with_root(a_line_without_end_is_broken_up),
		with_root(bootlocal_has_a_log_of_its_own),
	};

	return cmocka_run_group_tests_name("guest scripts", tests, NULL, NULL);
}
