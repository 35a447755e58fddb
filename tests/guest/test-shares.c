// SPDX-License-Identifier: Apache-2.0
// Unit tests of shared folders: the naming rule, and the plan over a /sys of the test's own.
#include "../unit/test.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "root-folder.h"
#include "shares.h"

#include <errno.h>
#include <stdio.h>

static void put(const char *path, const char *text, size_t len)
{
	cleanup_free char *full = path_join(root, path);
	cleanup_free char *folder = path_dir(full);

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace(full, text, len, 0644, &err), &err);
}

static void add_9p(int number, const char *tag)
{
	cleanup_free char *path = xasprintf("sys/bus/virtio/drivers/9pnet_virtio/virtio%d/mount_tag", number);

	put(path, tag, strlen(tag) + 1); // the kernel gives the NUL too
}

static void add_virtiofs(int number, const char *tag)
{
	cleanup_free char *path = xasprintf("sys/fs/virtiofs/%d/tag", number);
	cleanup_free char *line = xasprintf("%s\n", tag);

	put(path, line, strlen(line));
}

static void names_become_places(void **state)
{
	static const struct {
		const char *name, *target; // NULL: refused
	} rows[] = {
		{ "Users", "/Users" },
		{ "/Users", "/Users" },
		{ "home/jsmith", "/home/jsmith" },
		{ "c/Users", "/c/Users" },
		{ "/c/Users", "/c/Users" },
		{ "c:/Users", "/c/Users" },
		{ "C:\\Users\\Jane Doe", "/c/Users/Jane Doe" },
		{ "/D:/", "/d" },
		{ "cc:/Users", "/cc:/Users" },
		{ "Grüße aus Köln", "/Grüße aus Köln" },
		{ "a//b/./c/", "/a/b/c" },
		{ ".hidden", "/.hidden" },
		{ "..", NULL },
		{ "../etc", NULL },
		{ "a/../../etc", NULL },
		{ "..\\..\\etc", NULL },
		{ "c:..", NULL },
		{ "", NULL },
		{ "/", NULL },
		{ ".", NULL },
		{ "a\nb", NULL },
		{ "\033[2J", NULL },
		{ "etc", NULL },
		{ "etc/ssh", NULL },
		{ "etcetera", "/etcetera" },
		{ "home", NULL }, // would hide docker's keys
		{ "home/docker", NULL },
		{ "home/docker/.ssh", NULL },
		{ "home/dockerfiles", "/home/dockerfiles" },
		{ "mnt/vda1", NULL },
		{ "var/lib/docker", NULL },
		{ "usr", NULL },
		{ "opt/x", "/opt/x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *target = NULL;
		int r = share_target(rows[i].name, &target, &err);

		if (rows[i].target ? r < 0 || strcmp(target, rows[i].target) != 0 : r != -EPERM)
			fail_msg("\"%s\" gives %d, %s", rows[i].name, r, target ? target : "nothing");
	}
}

static void a_machine_without_shares_has_none(void **state)
{
	struct guest g = { .root = root };
	struct shares s;

	(void)state;
	shares_plan(&g, NULL, &s);
	assert_int_equal(s.count, 0);
	assert_ok(shares_mount(&g, &err), &err);
	assert_string_equal(buf_str(&log_text), "");
	shares_done(&s);
}

static void shares_are_found_sorted_and_doubles_dropped(void **state)
{
	static const char *const targets[] = { "/Users", "/Users/joe", "/c/Users", "/data" };
	static const char *const names[] = { "Users", "Users/joe", "c/Users", "data" };
	struct guest g = { .root = root };
	struct shares s;

	(void)state;
	add_9p(1, "Users/joe");
	add_9p(2, "c:/Users");
	add_9p(3, "/Users");
	add_9p(4, "../etc\nfoo");
	add_9p(5, "c/Users");
	add_9p(6, "Users");
	add_virtiofs(1, "data");
	shares_plan(&g, NULL, &s);
	assert_int_equal(s.count, 4);
	for (size_t i = 0; i < s.count; i++) {
		assert_string_equal(s.list[i].target, targets[i]);
		assert_string_equal(s.list[i].name, names[i]);
	}
	assert_string_equal(s.list[3].type, "virtiofs");
	assert_contains(buf_str(&log_text), "share /Users is not mounted: Users is at /Users already");
	assert_contains(buf_str(&log_text), "share ../etc?foo is not mounted: its name has control");
	shares_done(&s);
}

static void long_names_come_from_the_firmware(void **state)
{
	static const char names[] =
		"b2d.share.1 home/somebody/a folder with a long name\nb2d.share.10 ten\nb2d.share.2 /etc\n";
	struct guest g = { .root = root };
	struct shares s;

	(void)state;
	put("sys/firmware/qemu_fw_cfg/by_name/opt/boot2docker/shares/raw", names, strlen(names));
	add_9p(1, "b2d.share.1");
	add_9p(2, "b2d.share.2");
	add_9p(3, "b2d.share.10");
	add_9p(4, "b2d.share.3");
	shares_plan(&g, NULL, &s);
	assert_int_equal(s.count, 3);
	assert_string_equal(s.list[0].target, "/b2d.share.3"); // not in the file: its tag is its name
	assert_string_equal(s.list[1].target, "/home/somebody/a folder with a long name");
	assert_string_equal(s.list[1].tag, "b2d.share.1");
	assert_string_equal(s.list[2].target, "/ten");
	assert_contains(buf_str(&log_text), "share /etc is not mounted: it would hide the system's /etc");
	shares_done(&s);
}

static void hundreds_of_shares_are_bounded(void **state)
{
	struct guest g = { .root = root };
	struct shares s;

	(void)state;
	for (int i = 0; i < SHARES_MAX + 44; i++) {
		cleanup_free char *name = xasprintf("share-%d", i);

		add_9p(i, name);
	}
	shares_plan(&g, NULL, &s);
	assert_int_equal(s.count, SHARES_MAX);
	assert_contains(buf_str(&log_text), "more than 256 shares");
	shares_done(&s);
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_root(names_become_places),
		with_root(a_machine_without_shares_has_none),
		with_root(shares_are_found_sorted_and_doubles_dropped),
		with_root(long_names_come_from_the_firmware),
		with_root(hundreds_of_shares_are_bounded),
	};

	return cmocka_run_group_tests_name("guest shares", tests, NULL, NULL);
}
