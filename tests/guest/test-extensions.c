// SPDX-License-Identifier: Apache-2.0
// Unit tests of extensions: what one may hold, and archives laid over a /usr of the test's own, in a mount namespace.
#include "../unit/test.h"

#include "disk-images.h"
#include "extensions.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "root-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void put(const char *path, const char *text)
{
	cleanup_free char *full = path_join(root, path);
	cleanup_free char *folder = path_dir(full);

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace_text(full, text, 0755, &err), &err);
}

static int check(const char *tree)
{
	cleanup_free char *path = path_join(root, tree);

	return extensions_check(path, &err);
}

static void a_tree_holds_usr_and_nothing_else(void **state)
{
	cleanup_free char *link = path_join(root, "linked/usr");
	cleanup_free char *linked = path_join(root, "linked");
	cleanup_free char *empty = path_join(root, "empty");

	(void)state;
	put("good/usr/bin/x", "");
	put("etc/usr/bin/x", "");
	put("etc/etc/passwd", "");
	put("hidden/usr/bin/x", "");
	put("hidden/.config", "");
	put("file/usr", "");
	assert_ok(file_mkdirs(linked, 0755, &err), &err);
	assert_ok(file_mkdirs(empty, 0755, &err), &err);
	assert_int_equal(symlink("../good/usr", link), 0);
	assert_ok(check("good"), &err);
	assert_int_equal(check("etc"), -EPERM);
	assert_contains(err.msg, "it holds /etc");
	assert_int_equal(check("hidden"), -EPERM);
	assert_int_equal(check("file"), -ENOENT);
	assert_int_equal(check("linked"), -ENOENT);
	assert_int_equal(check("empty"), -ENOENT);
	assert_int_equal(check("nowhere"), -ENOENT);
}

// Archives tree NAME as an extension of the machine.
static void pack(const char *name)
{
	cleanup_free char *folder = path_join(root, "var/lib/boot2docker/extensions");
	cleanup_free char *archive = xasprintf("%s/%s.tar.gz", folder, name);
	cleanup_free char *tree = path_join(root, name);
	const char *argv[] = { "tar", "--owner=0", "--group=0", "-czf", archive, "-C", tree, ".", NULL };

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	run(argv);
}

// Makes an image of tree NAME.
static void pack_image(const char *name, bool erofs)
{
	cleanup_free char *folder = path_join(root, "var/lib/boot2docker/extensions");
	cleanup_free char *image = xasprintf("%s/%s.%s", folder, name, erofs ? "erofs" : "squashfs");
	cleanup_free char *tree = path_join(root, name);
	const char *squashfs[] = { "mksquashfs", tree, image, "-quiet", "-no-progress", NULL };
	const char *mkfs_erofs[] = { "mkfs.erofs", "--quiet", image, tree, NULL };

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	run(erofs ? mkfs_erofs : squashfs);
}

static bool has(const char *path, const char *text)
{
	cleanup_free char *full = path_join(root, path);
	cleanup_buf struct buf found = BUF_INIT;

	return file_read(full, 100, &found, NULL) == 0 && strcmp(buf_str(&found), text) == 0;
}

static bool write_text(const char *path, const char *text)
{
	struct error one = ERROR_INIT;

	return file_write_existing(path, text, &one) == 0;
}

// Where mounting is allowed and ends with this process: as root, or as somebody who becomes root in a namespace.
static bool enter_namespace(void)
{
	cleanup_free char *uids = xasprintf("0 %u 1", getuid()), *gids = xasprintf("0 %u 1", getgid());
	bool is_root = geteuid() == 0;

	if (unshare(CLONE_NEWNS | (is_root ? 0 : CLONE_NEWUSER)) < 0)
		return false;
	if (!is_root && (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", uids) ||
			 !write_text("/proc/self/gid_map", gids)))
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

// What is wrong, as a number for the exit status; 0: nothing.
static int lay_and_look(void)
{
	struct guest g = { .root = root };
	cleanup_free char *written = path_join(root, "usr/bin/new");
	cleanup_free char *below = path_join(root, "run/boot2docker/extensions/upper/bin/new");

	if (!enter_namespace())
		return 1;
	if (extensions_lay(&g, &err) < 0)
		return 2;
	if (!has("usr/bin/system", "system") || !has("usr/bin/one", "one") || !has("usr/bin/both", "from one"))
		return 3;
	if (has("usr/bin/bad", "bad"))
		return 4;
	if (file_replace_text(written, "x", 0644, &err) < 0 || !file_exists(below))
		return 5;
	if (!strstr(buf_str(&log_text), "extension bad.tar.gz is left out: it holds /etc") ||
	    !strstr(buf_str(&log_text), "extension broken.tar is left out"))
		return 6;
	return 0;
}

static void in_a_process(int (*look)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int wrong = look();

		if (wrong)
			fprintf(stderr, "%s\n%s", err.msg, buf_str(&log_text));
		_exit(wrong);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void archives_are_laid_over_usr_the_first_by_name_on_top(void **state)
{
	(void)state;
	put("usr/bin/system", "system");
	put("usr/bin/both", "the system's");
	put("1-one/usr/bin/one", "one");
	put("1-one/usr/bin/both", "from one");
	put("2-two/usr/bin/both", "from two");
	put("bad/usr/bin/bad", "bad");
	put("bad/etc/passwd", "");
	pack("1-one");
	pack("2-two");
	pack("bad");
	put("var/lib/boot2docker/extensions/broken.tar", "this is no archive");
	put("var/lib/boot2docker/extensions/README", "nor this an extension");
	in_a_process(lay_and_look);
	assert_true(has("usr/bin/both", "the system's")); // outside of that namespace nothing has changed
}

static int lay_images_and_look(void)
{
	struct guest g = { .root = root };

	if (!enter_namespace())
		return 1;
	if (extensions_lay(&g, &err) < 0)
		return 2;
	if (!has("usr/bin/system", "system") || !has("usr/bin/s", "squashfs") || !has("usr/bin/e", "erofs"))
		return 3;
	return strstr(buf_str(&log_text), "extension broken.squashfs is left out") ? 0 : 4;
}

static void images_are_laid_over_usr(void **state)
{
	(void)state;
	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0)
		skip(); // loop devices are root's
	put("usr/bin/system", "system");
	put("s/usr/bin/s", "squashfs");
	put("e/usr/bin/e", "erofs");
	pack_image("s", false);
	pack_image("e", true);
	put("var/lib/boot2docker/extensions/broken.squashfs", "this is no image");
	in_a_process(lay_images_and_look);
}

static void without_extensions_nothing_is_mounted(void **state)
{
	struct guest g = { .root = root };
	cleanup_free char *places = path_join(root, "run");

	(void)state;
	assert_ok(extensions_lay(&g, &err), &err);
	put("var/lib/boot2docker/extensions/README", "no extension");
	assert_ok(extensions_lay(&g, &err), &err);
	assert_false(file_exists(places));
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_root(a_tree_holds_usr_and_nothing_else),
		with_root(archives_are_laid_over_usr_the_first_by_name_on_top),
		with_root(images_are_laid_over_usr),
		with_root(without_extensions_nothing_is_mounted),
	};

	return cmocka_run_group_tests_name("guest extensions", tests, NULL, NULL);
}
