// SPDX-License-Identifier: Apache-2.0
// Unit tests of the data disk, over image files: the choice, the preparation, and that foreign disks are not touched; and of
// the tar archives that come on it.
#include "../unit/test.h"

#include "disk.h"
#include "disk_prepare.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "storage.h"
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define MIB (1024ULL * 1024)

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

// --- archives made by hand, so that they can be wrong

static void tar_add(struct buf *b, const char *name, char type, const char *data, size_t len, const char *link)
{
	uint8_t header[TAR_BLOCK] = { 0 };
	static const uint8_t zero[TAR_BLOCK];
	unsigned int sum = 0;

	snprintf((char *)header, 100, "%s", name);
	snprintf((char *)header + 100, 8, "%07o", type == '5' ? 0700 : 0644);
	snprintf((char *)header + 124, 12, "%011zo", len);
	snprintf((char *)header + 157, 100, "%s", link ? link : "");
	memcpy(header + 257, "ustar\00000", 8);
	header[156] = (uint8_t)type;
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	buf_add(b, header, TAR_BLOCK);
	buf_add(b, data, len);
	if (len % TAR_BLOCK)
		buf_add(b, zero, TAR_BLOCK - len % TAR_BLOCK);
}

// What the host puts on a raw disk.
static void tar_magic(struct buf *b)
{
	static const uint8_t zero[DISK_MAGIC_LEN];

	tar_add(b, TAR_MAGIC_NAME, '0', TAR_MAGIC_NAME, strlen(TAR_MAGIC_NAME), NULL);
	tar_add(b, ".ssh", '5', "", 0, NULL);
	tar_add(b, ".ssh/authorized_keys", '0', "ssh-ed25519 AAAA x\n", 19, NULL);
	buf_add(b, zero, DISK_MAGIC_LEN - b->len);
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

static char *make_disk(const char *name, uint64_t size, const void *start, size_t len)
{
	char *path = path_join(folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, start, len, 0), len);
	close(fd);
	return path;
}

static void run(const char *const *argv)
{
	assert_ok(proc_output(argv, NULL, &err), &err);
}

static void make_ext4(const char *path, const char *label)
{
	const char *argv[] = { "mkfs.ext4", "-q", "-F", "-L", label, path, NULL };

	run(argv);
}

static void make_gpt(const char *path)
{
	static const char table[] = "label: gpt\nsize=16MiB\n";
	const char *argv[] = { "sfdisk", "-q", path, NULL };
	struct proc_spec spec = { .argv = argv, .in = PROC_DATA, .input = table, .input_len = strlen(table) };

	assert_ok(proc_check(&spec, &err), &err);
}

static struct disk_facts look(const char *path)
{
	struct disk_facts f = { .name = xstrdup(path_base(path)), .path = xstrdup(path) };

	assert_ok(disk_examine(&f, &err), &err);
	return f;
}

static void check_choice(struct disk_facts *facts, size_t count, enum disk_use use, const char *name)
{
	struct disk_choice choice = disk_choose(facts, count);

	assert_int_equal(choice.use, use);
	if (name)
		assert_string_equal(choice.disk->name, name);
}

static void foreign_disks_are_neither_chosen_nor_written(void **state)
{
	static const uint8_t luks[] = { 'L', 'U', 'K', 'S', 0xba, 0xbe, 0, 1 };
	uint8_t ntfs[512] = { 0xeb, 0x52, 0x90, 'N', 'T', 'F', 'S', ' ', ' ', ' ', ' ' };
	uint8_t mbr[512] = { 0 };
	static const char half_magic[] = "boot2docker, please for";
	const struct {
		const char *name;
		const void *start;
		size_t len;
	} rows[] = {
		{ "luks", luks, sizeof(luks) },
		{ "ntfs", ntfs, sizeof(ntfs) },
		{ "mbr", mbr, sizeof(mbr) },
		{ "half-magic", half_magic, sizeof(half_magic) },
		{ "zero", "", 1 },
		{ "text", "hello", 5 },
	};

	(void)state;
	mbr[446 + 4] = 0x83; // one partition
	mbr[446 + 8] = 8;
	mbr[446 + 13] = 1;
	mbr[510] = ntfs[510] = 0x55;
	mbr[511] = ntfs[511] = 0xaa;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *path = make_disk(rows[i].name, 80 * MIB, rows[i].start, rows[i].len);
		cleanup_buf struct buf before = BUF_INIT, after = BUF_INIT;

		assert_ok(file_read(path, 100 * MIB, &before, &err), &err);
		struct disk_facts f = look(path);

		check_choice(&f, 1, DISK_NONE, NULL);
		f.vmware = strcmp(rows[i].name, "zero") != 0; // VMware's are only taken when they are blank
		check_choice(&f, 1, DISK_NONE, NULL);
		disk_facts_done(&f);
		assert_ok(file_read(path, 100 * MIB, &after, &err), &err);
		assert_memory_equal(before.data, after.data, before.len);
	}
}

static void the_order_of_the_choice_is_the_contract(void **state)
{
	cleanup_buf struct buf magic = BUF_INIT;
	struct disk_facts f[5];

	(void)state;
	tar_magic(&magic);
	cleanup_free char *gpt = make_disk("a-gpt", 64 * MIB, "", 1);
	cleanup_free char *other = make_disk("b-ext4", 64 * MIB, "", 1);
	cleanup_free char *blank = make_disk("c-blank", 64 * MIB, "", 1);
	cleanup_free char *asks = make_disk("d-magic", 64 * MIB, magic.data, magic.len);
	cleanup_free char *ours = make_disk("e-ours", 64 * MIB, "", 1);

	make_gpt(gpt);
	make_ext4(other, "photos");
	make_ext4(ours, DISK_LABEL);
	f[0] = look(gpt);
	f[1] = look(other);
	f[2] = look(blank);
	f[3] = look(asks);
	f[4] = look(ours);
	f[2].vmware = true;
	check_choice(f, 5, DISK_MOUNT, "e-ours");
	check_choice(f, 4, DISK_PREPARE, "d-magic");
	check_choice(f, 3, DISK_PREPARE, "c-blank");
	check_choice(f, 2, DISK_MOUNT, "b-ext4");
	check_choice(f, 1, DISK_NONE, NULL);
	f[3].read_only = f[2].read_only = true; // what cannot be written cannot be prepared
	check_choice(f, 4, DISK_MOUNT, "b-ext4");
	f[3].read_only = false;
	f[3].is_partition = true; // only whole disks are formatted
	check_choice(f, 4, DISK_MOUNT, "b-ext4");
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		disk_facts_done(&f[i]);
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
static void cut(const char *disk, uint64_t skip, uint64_t count, const char *to)
{
	cleanup_free char *from = xasprintf("if=%s", disk), *out = xasprintf("of=%s", to);
	cleanup_free char *at = xasprintf("skip=%llu", (unsigned long long)(skip / MIB));
	cleanup_free char *size = xasprintf("count=%llu", (unsigned long long)(count / MIB));
	const char *argv[] = { "dd", "bs=1M", "status=none", "conv=sparse", from, out, at, size, NULL };

	run(argv);
}

static void a_prepared_disk_is_whole(void **state)
{
	cleanup_buf struct buf magic = BUF_INIT, output = BUF_INIT;
	struct disk_layout l;

	(void)state;
	tar_magic(&magic);
	cleanup_free char *disk = make_disk("disk", 300 * MIB, magic.data, magic.len);
	cleanup_free char *staging = path_join(folder, "staging");
	cleanup_free char *data = path_join(folder, "data");
	cleanup_free char *swap = path_join(folder, "swap");
	const char *verify[] = { "sfdisk", "--verify", disk, NULL };
	const char *fsck[] = { "e2fsck", "-fn", data, NULL };
	const char *list[] = { "debugfs", "-R", "stat /var/lib/boot2docker/userdata.tar", data, NULL };

	assert_ok(disk_layout(300 * MIB, &l, &err), &err);
	assert_ok(disk_prepare(disk, 300 * MIB, staging, magic.data, &err), &err);
	assert_false(is_there("staging"));
	run(verify);
	cut(disk, l.data_start, l.data_size, data);
	cut(disk, l.swap_start, l.swap_size, swap);
	run(fsck);
	assert_ok(proc_output(list, &output, &err), &err);
	assert_contains(buf_str(&output), "Size: 4096");
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
	cleanup_free char *disk = make_disk("disk", 100 * MIB, magic.data, magic.len);
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
		with_folder(foreign_disks_are_neither_chosen_nor_written),
		with_folder(the_order_of_the_choice_is_the_contract),
		with_folder(a_layout_leaves_room_for_swap),
		with_folder(a_prepared_disk_is_whole),
		with_folder(an_interrupted_preparation_is_done_again),
		with_folder(links_point_at_the_data_disk),
	};

	return cmocka_run_group_tests_name("guest disk", tests, NULL, NULL);
}
