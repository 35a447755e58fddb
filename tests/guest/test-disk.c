// SPDX-License-Identifier: Apache-2.0
// Unit tests of the data disk, over image files: its preparation, its growth, its links; and of the tar archives that come on
// it. Which disk is chosen is in test-disk-table.c.
#include "../unit/test.h"

#include "disk-images.h"
#include "disk.h"
#include "disk_grow.h"
#include "disk_prepare.h"
#include "disk_renew.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "lib/strv.h"
#include "storage.h"
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static struct error err;
static char *folder;
static struct buf log_text;

static void keep_line(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	buf_printf(&log_text, "%s\n", line);
}

static int make_folder(void **state)
{
	(void)state;
	folder = test_folder();
	log_set_sink(keep_line, NULL);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	error_clear(&err);
	int r = file_remove_tree(folder, &err);
	free(folder);
	buf_done(&log_text);
	return r;
}

static struct tar_unpack unpack_here(const char *to)
{
	return (struct tar_unpack){
		.folder = to, .uid = getuid(), .gid = getgid(), .size_max = 100000, .members_max = 50
	};
}

static bool is_there(const char *name)
{
	cleanup_free char *path = path_join(folder, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static void a_good_archive_is_unpacked(void **state)
{
	cleanup_buf struct buf tar = BUF_INIT, text = BUF_INIT;
	struct tar_unpack how = unpack_here(folder);
	cleanup_free char *path = path_join(folder, ".ssh/authorized_keys");

	(void)state;
	tar_magic(&tar);
	assert_true(tar_has_magic(tar.data, tar.len));
	assert_int_equal(tar_unpack(tar.data, tar.len, &how, &err), 2);
	assert_ok(file_read(path, 100, &text, &err), &err);
	assert_string_equal(buf_str(&text), "ssh-ed25519 AAAA x\n");
	assert_false(is_there(TAR_MAGIC_NAME));
}

static void hostile_members_are_refused_and_the_rest_is_unpacked(void **state)
{
	cleanup_buf struct buf tar = BUF_INIT;
	cleanup_free char *inner = path_join(folder, "in");
	cleanup_free char *trap = path_join(inner, "trap");
	struct tar_unpack how = unpack_here(inner);

	(void)state;
	assert_ok(file_mkdirs(inner, 0755, &err), &err);
	assert_int_equal(symlink("..", trap), 0); // there before, as a user could have made it
	tar_add(&tar, "../out", '0', "x", 1, NULL);
	tar_add(&tar, "/out", '0', "x", 1, NULL);
	tar_add(&tar, "a/../../out", '0', "x", 1, NULL);
	tar_add(&tar, "trap/out", '0', "x", 1, NULL);
	tar_add(&tar, "link", '2', "", 0, "/etc/passwd");
	tar_add(&tar, "hard", '1', "", 0, "/etc/passwd");
	tar_add(&tar, "device", '3', "", 0, NULL);
	tar_add(&tar, "good", '0', "x", 1, NULL);
	assert_int_equal(tar_unpack(tar.data, tar.len, &how, &err), 1);
	assert_true(is_there("in/good"));
	assert_false(is_there("out"));
	assert_false(is_there("in/link") || is_there("in/hard") || is_there("in/device"));
	assert_contains(buf_str(&log_text), "refused ../out");
}

static void a_damaged_archive_is_an_error(void **state)
{
	cleanup_buf struct buf tar = BUF_INIT, many = BUF_INIT;
	struct tar_unpack how = unpack_here(folder);

	(void)state;
	tar_add(&tar, "whole", '0', "x", 1, NULL);
	tar_add(&tar, "cut", '0', "0123456789", 10, NULL);
	assert_int_equal(tar_unpack(tar.data, tar.len - TAR_BLOCK, &how, &err), -EBADMSG);
	assert_contains(err.msg, "cut short");
	assert_true(is_there("whole"));
	tar.data[3] ^= 1;
	assert_int_equal(tar_unpack(tar.data, tar.len, &how, &err), -EBADMSG);
	assert_contains(err.msg, "checksum");
	for (int i = 0; i < 60; i++)
		tar_add(&many, "again", '0', "x", 1, NULL);
	assert_int_equal(tar_unpack(many.data, many.len, &how, &err), -EFBIG);
	how.size_max = 5;
	assert_int_equal(tar_unpack(many.data, many.len, &how, &err), -EFBIG);
	assert_false(tar_has_magic("boot2docker, please format-me", 29));
}

// --- disks

static struct disk_facts look(const char *path)
{
	struct disk_facts f = { .name = xstrdup(path_base(path)), .path = xstrdup(path) };

	assert_ok(disk_examine(&f, &err), &err);
	return f;
}

static void check_choice(struct disk_facts *facts, size_t count, enum disk_use use, const char *name)
{
	struct disk_choice choice = disk_choose(facts, count, false);

	assert_int_equal(choice.use, use);
	if (name)
		assert_string_equal(choice.disk->name, name);
}

static void a_layout_leaves_room_for_swap(void **state)
{
	struct disk_layout l;

	(void)state;
	assert_ok(disk_layout(20000 * MIB, &l, &err), &err);
	assert_int_equal(l.data_start, MIB);
	assert_int_equal(l.swap_size, 1000000000 / MIB * MIB);
	assert_true(l.swap_start + l.swap_size <= 20000 * MIB - MIB);
	assert_int_equal(l.data_start + l.data_size, l.swap_start);
	assert_ok(disk_layout(1000 * MIB, &l, &err), &err);
	assert_int_equal(l.swap_size, 250 * MIB);
	assert_int_equal(disk_layout(10 * MIB, &l, &err), -ENOSPC);
}

// The file systems of the prepared disk, cut out of it, are judged by their own tools.
// One inode for each 8 KiB, but for what mkfs rounds in each group's table.
static void check_inodes(const char *header, uint64_t expected)
{
	static const char name[] = "Inode count:";
	const char *line = strstr(header, name);
	uint64_t found;

	assert_non_null(line);
	line += strlen(name);
	line += strspn(line, " ");
	cleanup_free char *digits = xasprintf("%.*s", (int)strcspn(line, "\n"), line);
	assert_ok(number_parse_u64(digits, 0, UINT32_MAX, &found, &err), &err);
	assert_in_range(found, expected - expected / 32, expected + expected / 32);
}

static void a_prepared_disk_is_whole(void **state)
{
	cleanup_buf struct buf magic = BUF_INIT, output = BUF_INIT, sector = BUF_INIT;
	struct disk_layout l;

	(void)state;
	tar_magic(&magic);
	cleanup_free char *disk = disk_image(folder, "disk", 300 * MIB, magic.data, magic.len);
	cleanup_free char *staging = path_join(folder, "staging");
	cleanup_free char *data = path_join(folder, "data");
	cleanup_free char *swap = path_join(folder, "swap");
	cleanup_free char *start = path_join(folder, "start");
	const char *verify[] = { "sfdisk", "--verify", disk, NULL };
	const char *fsck[] = { "e2fsck", "-fn", data, NULL };
	const char *list[] = { "debugfs", "-R", "stat /var/lib/boot2docker/userdata.tar", data, NULL };
	const char *header[] = { "dumpe2fs", "-h", data, NULL };

	assert_ok(disk_layout(300 * MIB, &l, &err), &err);
	assert_ok(disk_prepare(disk, 300 * MIB, staging, magic.data, &err), &err);
	assert_false(is_there("staging"));
	run(verify);
	cut(disk, 0, MIB, start);
	assert_ok(file_read(start, MIB, &sector, &err), &err);
	assert_memory_equal(sector.data, "\xcd\x18", 2); // a BIOS that starts it goes on to the next device: int 18h
	assert_memory_equal(sector.data + 510, "\x55\xaa", 2);
	cut(disk, l.data_start, l.data_size, data);
	cut(disk, l.swap_start, l.swap_size, swap);
	run(fsck);
	assert_ok(proc_output(list, &output, &err), &err);
	assert_contains(buf_str(&output), "Size: 4096");
	buf_clear(&output);
	assert_ok(proc_output(header, &output, &err), &err);
	check_inodes(buf_str(&output), l.data_size / 8192);
	struct disk_facts f[2] = { look(data), look(swap) };

	assert_string_equal(f[0].type, "ext4");
	assert_string_equal(f[0].label, DISK_LABEL);
	assert_string_equal(f[1].type, "swap");
	assert_string_equal(f[1].label, DISK_SWAP_LABEL);
	check_choice(f, 2, DISK_MOUNT, "data");
	disk_facts_done(&f[0]);
	disk_facts_done(&f[1]);
	f[0] = look(disk);
	check_choice(f, 1, DISK_NONE, NULL); // it does not ask to be formatted again
	disk_facts_done(&f[0]);
}

// sfdisk, the last one to write, does not get to run: as when the power fails before it.
static void an_interrupted_preparation_is_done_again(void **state)
{
	cleanup_buf struct buf magic = BUF_INIT;
	cleanup_free char *bin = path_join(folder, "bin");
	cleanup_free char *fake = path_join(bin, "sfdisk");
	cleanup_free char *path = xstrdup(getenv("PATH"));
	cleanup_free char *with_fake = xasprintf("%s:%s", bin, path);

	(void)state;
	tar_magic(&magic);
	cleanup_free char *disk = disk_image(folder, "disk", 100 * MIB, magic.data, magic.len);
	cleanup_free char *staging = path_join(folder, "staging");

	assert_ok(file_mkdirs(bin, 0755, &err), &err);
	assert_ok(file_replace_text(fake, "#!/bin/sh\nkill -9 $$\n", 0755, &err), &err);
	setenv("PATH", with_fake, 1);
	int r = disk_prepare(disk, 100 * MIB, staging, magic.data, &err);

	setenv("PATH", path, 1);
	assert_true(r < 0);
	struct disk_facts f = look(disk);

	check_choice(&f, 1, DISK_PREPARE, "disk");
	disk_facts_done(&f);
	assert_ok(disk_prepare(disk, 100 * MIB, staging, magic.data, &err), &err);
}

static void the_plan_of_growth_moves_nothing_but_swap(void **state)
{
	static const struct disk_partition layout[] = { { 1, MIB, 299 * MIB, false },
							{ 2, 300 * MIB, 99 * MIB, true } };
	static const struct disk_partition swap_first[] = { { 2, MIB, 99 * MIB, true },
							    { 1, 100 * MIB, 299 * MIB, false } };
	static const struct disk_partition third[] = { { 1, MIB, 299 * MIB, false },
						       { 2, 300 * MIB, 50 * MIB, true },
						       { 3, 350 * MIB, 49 * MIB, false } };
	// Swap has moved, then the power failed.
	static const struct disk_partition half[] = { { 1, MIB, 299 * MIB, false }, { 2, 900 * MIB, 99 * MIB, true } };
	struct disk_growth g;

	(void)state;
	assert_true(disk_grow_plan(layout, 2, 1000 * MIB, 1, &g));
	assert_int_equal(g.swap_number, 2);
	assert_int_equal(g.swap_start, 900 * MIB);
	assert_int_equal(g.swap_size, 99 * MIB);
	assert_int_equal(g.data_size, 899 * MIB);
	assert_true(disk_grow_plan(half, 2, 1000 * MIB, 1, &g));
	assert_int_equal(g.swap_number, 0);
	assert_int_equal(g.data_size, 899 * MIB);
	assert_true(disk_grow_plan(swap_first, 2, 1000 * MIB, 1, &g));
	assert_int_equal(g.swap_number, 0);
	assert_int_equal(g.data_size, 899 * MIB);
	assert_false(disk_grow_plan(layout, 2, 400 * MIB, 1, &g)); // as it was
	assert_false(disk_grow_plan(layout, 2, 404 * MIB, 1, &g)); // not worth it
	assert_false(disk_grow_plan(layout, 2, 100 * MIB, 1, &g)); // it has shrunk: not ours to repair
	assert_false(disk_grow_plan(layout, 2, 0, 1, &g));
	assert_false(disk_grow_plan(third, 3, 1000 * MIB, 1, &g)); // somebody else's partition is behind
	assert_false(disk_grow_plan(layout, 2, 1000 * MIB, 3, &g)); // there is no such partition
}

// A prepared disk whose file is enlarged, as people do with their machine's disk.
static char *enlarged_disk(struct disk_layout *ret, uint64_t size)
{
	cleanup_buf struct buf magic = BUF_INIT;
	cleanup_free char *staging = path_join(folder, "staging");

	tar_magic(&magic);
	char *disk = disk_image(folder, "disk", 300 * MIB, magic.data, magic.len);

	assert_ok(disk_layout(300 * MIB, ret, &err), &err);
	assert_ok(disk_prepare(disk, 300 * MIB, staging, magic.data, &err), &err);
	assert_int_equal(truncate(disk, (off_t)size), 0);
	return disk;
}

static void check_grown(const char *disk, const struct disk_layout *old, uint64_t size, uint64_t data_hash)
{
	cleanup_free char *data = path_join(folder, "data-after");
	cleanup_free char *swap = path_join(folder, "swap-after");
	const char *verify[] = { "sfdisk", "--verify", disk, NULL };
	const char *table[] = { "sfdisk", "--dump", disk, NULL };
	const char *grow[] = { "resize2fs", data, NULL };
	const char *fsck[] = { "e2fsck", "-fn", data, NULL };
	cleanup_buf struct buf text = BUF_INIT;
	uint64_t swap_start = size - MIB - old->swap_size;

	run(verify);
	assert_ok(proc_output(table, &text, &err), &err);
	assert_contains(buf_str(&text), "name=\"" DISK_LABEL "\"");
	assert_contains(buf_str(&text), "name=\"" DISK_SWAP_LABEL "\"");
	cut(disk, old->data_start, old->data_size, data);
	assert_int_equal(image_hash(data), data_hash);
	cut(disk, old->data_start, swap_start - old->data_start, data);
	cut(disk, swap_start, old->swap_size, swap);
	run(fsck);
	run(grow);
	run(fsck);
	struct disk_facts f = look(swap);

	assert_string_equal(f.label, DISK_SWAP_LABEL);
	disk_facts_done(&f);
	assert_int_equal(disk_grow_partition(disk, 1, &err), 0); // there is no more room
}

static void a_disk_that_was_enlarged_grows_and_no_data_is_touched(void **state)
{
	struct disk_layout l;
	cleanup_free char *disk = enlarged_disk(&l, 900 * MIB);
	cleanup_free char *data = path_join(folder, "data");

	(void)state;
	cut(disk, l.data_start, l.data_size, data);
	assert_int_equal(disk_grow_partition(disk, 1, &err), 1);
	check_grown(disk, &l, 900 * MIB, image_hash(data));
}

// A swap that moves by less than its own size overlaps its old place.
static void a_disk_that_was_enlarged_a_little_grows(void **state)
{
	struct disk_layout l;
	cleanup_free char *disk = enlarged_disk(&l, 320 * MIB);
	cleanup_free char *data = path_join(folder, "data");

	(void)state;
	cut(disk, l.data_start, l.data_size, data);
	assert_int_equal(disk_grow_partition(disk, 1, &err), 1);
	check_grown(disk, &l, 320 * MIB, image_hash(data));
}

// The second call of sfdisk does not come to pass: as when the power fails between the two.
static void growth_that_was_interrupted_goes_on(void **state)
{
	static const char script[] = "#!/bin/sh\nd=$(dirname \"$0\")\n[ ! -e $d/called ] || exit 1\n"
				     ">$d/called\nPATH=/sbin:/usr/sbin:$PATH exec /sbin/sfdisk \"$@\"\n";
	struct disk_layout l;
	cleanup_free char *disk = enlarged_disk(&l, 900 * MIB);
	cleanup_free char *data = path_join(folder, "data");
	cleanup_free char *bin = path_join(folder, "bin");
	cleanup_free char *fake = path_join(bin, "sfdisk");
	cleanup_free char *path = xstrdup(getenv("PATH"));
	cleanup_free char *with_fake = xasprintf("%s:%s", bin, path);

	(void)state;
	cut(disk, l.data_start, l.data_size, data);
	assert_ok(file_mkdirs(bin, 0755, &err), &err);
	assert_ok(file_replace_text(fake, script, 0755, &err), &err);
	setenv("PATH", with_fake, 1);
	int r = disk_grow_partition(disk, 1, &err);

	setenv("PATH", path, 1);
	assert_int_equal(r, -EPROTO);
	error_clear(&err);
	assert_int_equal(disk_grow_partition(disk, 1, &err), 1);
	check_grown(disk, &l, 900 * MIB, image_hash(data));
}

static char *read_table(const char *disk)
{
	const char *dump[] = { "sfdisk", "--dump", disk, NULL };
	cleanup_buf struct buf text = BUF_INIT;

	assert_ok(proc_output(dump, &text, &err), &err);
	return buf_steal(&text);
}

static char *swap_uuid(const char *disk, const struct disk_layout *l)
{
	cleanup_free char *swap = path_join(folder, "swap");

	cut(disk, l->swap_start, l->swap_size, swap);
	struct disk_facts f = look(swap);
	assert_string_equal(f.label, DISK_SWAP_LABEL);
	char *ret = xstrdup(f.uuid);
	disk_facts_done(&f);
	return ret;
}

// Every line is as it was, up to its identifier, which is another one. Returns how many lines had one.
static int check_other_identifiers(const char *before, const char *after)
{
	cleanup_strv struct strv old = STRV_INIT, fresh = STRV_INIT;
	int found = 0;

	strv_split(&old, before, "\n");
	strv_split(&fresh, after, "\n");
	assert_int_equal(old.count, fresh.count);
	for (size_t i = 0; i < old.count; i++) {
		const char *id = strstr(old.items[i], "uuid=");

		if (strncmp(old.items[i], "label-id: ", strlen("label-id: ")) == 0)
			id = old.items[i] + strlen("label-id: ");
		if (!id) {
			assert_string_equal(old.items[i], fresh.items[i]);
			continue;
		}
		assert_memory_equal(old.items[i], fresh.items[i], (size_t)(id - old.items[i]));
		assert_string_not_equal(old.items[i], fresh.items[i]);
		found++;
	}
	return found;
}

static void a_copy_of_a_disk_is_given_other_identifiers(void **state)
{
	struct disk_layout l;
	cleanup_free char *disk = enlarged_disk(&l, 300 * MIB);
	cleanup_free char *data = path_join(folder, "data");
	cleanup_free char *start = path_join(folder, "start");
	cleanup_free char *table = read_table(disk);
	cleanup_free char *swap = swap_uuid(disk, &l);
	cleanup_buf struct buf sector = BUF_INIT;
	const char *verify[] = { "sfdisk", "--verify", disk, NULL };

	(void)state;
	cut(disk, l.data_start, l.data_size, data);
	uint64_t hash = image_hash(data);

	assert_ok(disk_renew_identifiers(disk, &err), &err);
	run(verify);
	cleanup_free char *table_after = read_table(disk);
	cleanup_free char *swap_after = swap_uuid(disk, &l);

	assert_int_equal(check_other_identifiers(table, table_after), 3); // of the table, of data, of swap
	assert_string_not_equal(swap, swap_after);
	cut(disk, l.data_start, l.data_size, data);
	assert_int_equal(image_hash(data), hash);
	cut(disk, 0, MIB, start);
	assert_ok(file_read(start, MIB, &sector, &err), &err);
	assert_memory_equal(sector.data, "\xcd\x18", 2); // the code that a BIOS starts is still there
}

static void a_disk_with_another_table_keeps_its_identifiers(void **state)
{
	cleanup_free char *disk = disk_image(folder, "disk", 100 * MIB, "", 0);

	(void)state;
	make_table(disk, "label: dos\nstart=2048, size=20480, type=83\n");
	uint64_t hash = image_hash(disk);

	assert_ok(disk_renew_identifiers(disk, &err), &err);
	assert_int_equal(image_hash(disk), hash);
}

static void links_point_at_the_data_disk(void **state)
{
	struct guest g = { .root = folder };
	char target[200] = "";

	(void)state;
	cleanup_free char *kept = path_join(folder, "mnt/vda1/tmp/old-file");
	cleanup_free char *tmp = path_join(folder, "mnt/vda1/tmp");
	cleanup_free char *etc = path_join(folder, "etc/docker/certs.d");
	cleanup_free char *var = path_join(folder, "var/lib/docker");
	cleanup_free char *boot2docker = path_join(folder, "var/lib/boot2docker");

	assert_ok(file_mkdirs(tmp, 0755, &err), &err);
	assert_ok(file_mkdirs(etc, 0755, &err), &err);
	assert_ok(file_mkdirs(var, 0755, &err), &err);
	assert_ok(file_replace_text(kept, "x", 0644, &err), &err);
	assert_ok(storage_link(&g, "vda1", &err), &err);
	assert_true(readlink(var, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/mnt/vda1/var/lib/docker");
	assert_false(is_there("mnt/vda1/tmp/old-file"));
	assert_true(is_there("mnt/vda1/var/lib/boot2docker/etc/docker"));
	assert_ok(storage_link(&g, "vda1", &err), &err); // and again
	// The old layout: the whole disk is the engine's folder.
	cleanup_free char *vm = path_join(folder, "mnt/sda1/vm");

	memset(target, 0, sizeof(target));
	assert_ok(file_mkdirs(vm, 0755, &err), &err);
	assert_ok(storage_link(&g, "sda1", &err), &err);
	assert_true(readlink(boot2docker, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/mnt/sda1/vm");
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_folder(a_good_archive_is_unpacked),
		with_folder(hostile_members_are_refused_and_the_rest_is_unpacked),
		with_folder(a_damaged_archive_is_an_error),
		with_folder(a_layout_leaves_room_for_swap),
		with_folder(a_prepared_disk_is_whole),
		with_folder(an_interrupted_preparation_is_done_again),
		cmocka_unit_test(the_plan_of_growth_moves_nothing_but_swap),
		with_folder(a_disk_that_was_enlarged_grows_and_no_data_is_touched),
		with_folder(a_disk_that_was_enlarged_a_little_grows),
		with_folder(growth_that_was_interrupted_goes_on),
		with_folder(a_copy_of_a_disk_is_given_other_identifiers),
		with_folder(a_disk_with_another_table_keeps_its_identifiers),
		with_folder(links_point_at_the_data_disk),
	};

	return cmocka_run_group_tests_name("guest disk", tests, NULL, NULL);
}
