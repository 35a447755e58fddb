// SPDX-License-Identifier: Apache-2.0
// The data partition behind our own image, on image files: what is made of a disk, what stays as it was, what is left alone.
#include "../unit/test.h"

#include "disk-images.h"
#include "disk.h"
#include "disk_grow.h"
#include "disk_install.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define TABLE 446 // in the first sector
#define OUR_ENTRIES (TABLE + 32) // the third and the fourth
#define OUR_ENTRIES_END 510
#define STEP (256 * MIB)

static struct error err;
static char *folder;

static int make_folder(void **state)
{
	(void)state;
	error_clear(&err);
	folder = test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	int r = file_remove_tree(folder, &err);
	free(folder);
	return r;
}

// A disk that the ISO was written to with dd: every byte of the image has a value of its own.
static void write_iso(const char *disk)
{
	cleanup_free uint8_t *bytes = xcalloc(1, ISO_LEN);

	for (size_t i = 65536; i < ISO_LEN; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 4096);
	for (size_t i = 0; i < TABLE; i++) // the loader
		bytes[i] = (uint8_t)(i + 1);
	disk_put(disk, 0, bytes, ISO_LEN);
	disk_put_iso(disk, ISO_DATE);
}

static char *iso_disk(uint64_t size)
{
	char *disk = disk_image(folder, "disk", size, "", 0);

	write_iso(disk);
	return disk;
}

// The image's bytes, without the two entries that may change.
static char *image_bytes(const char *disk)
{
	char *bytes = xcalloc(1, ISO_LEN);
	cleanup_close int fd = open(disk, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, bytes, ISO_LEN, 0), ISO_LEN);
	memset(bytes + OUR_ENTRIES, 0, OUR_ENTRIES_END - OUR_ENTRIES);
	return bytes;
}

static struct disk_install plan_of(const char *disk)
{
	struct disk_install plan;

	assert_ok(disk_install_plan(disk, &plan, &err), &err);
	return plan;
}

static int install(const char *disk)
{
	cleanup_free char *staging = path_join(folder, "staging");
	struct disk_install plan = plan_of(disk);

	return disk_install(disk, &plan, staging, &err);
}

static void check_label(const char *path, const char *type, const char *label)
{
	struct disk_facts f = { .name = xstrdup("part"), .path = xstrdup(path) };

	assert_ok(disk_examine(&f, &err), &err);
	assert_non_null(f.type);
	assert_string_equal(f.type, type);
	assert_string_equal(f.label, label);
	disk_facts_done(&f);
}

// The partitions, cut out by what the table says, are judged by their own tools.
static void check_installed(const char *disk)
{
	struct disk_partition parts[DISK_PARTITIONS_MAX];
	cleanup_free char *swap = path_join(folder, "swap"), *data = path_join(folder, "data");
	uint64_t size;

	run((const char *const[]){ "sfdisk", "--verify", disk, NULL });
	assert_int_equal(disk_read_partitions(disk, parts, &size, &err), 4);
	assert_int_equal(parts[2].number, 3);
	assert_true(parts[2].is_swap);
	assert_int_equal(parts[2].start, STEP);
	assert_int_equal(parts[3].number, DISK_INSTALL_PARTITION);
	assert_int_equal(parts[3].mbr_type, 0x83);
	assert_int_equal(parts[3].start, parts[2].start + parts[2].size);
	assert_int_equal(parts[3].start + parts[3].size, size - MIB);
	cut(disk, parts[2].start, parts[2].size, swap);
	cut(disk, parts[3].start, parts[3].size, data);
	check_label(swap, "swap", DISK_SWAP_LABEL);
	check_label(data, "ext4", DISK_LABEL);
	run((const char *const[]){ "e2fsck", "-fn", data, NULL });
}

static uint64_t data_hash(const char *disk)
{
	struct disk_partition parts[DISK_PARTITIONS_MAX];
	cleanup_free char *data = path_join(folder, "data-to-hash");
	uint64_t size;

	assert_int_equal(disk_read_partitions(disk, parts, &size, &err), 4);
	cut(disk, parts[3].start, parts[3].size, data);
	return image_hash(data);
}

static void data_goes_behind_the_image_and_the_image_stays(void **state)
{
	cleanup_free char *disk = iso_disk(2048 * MIB);
	cleanup_free char *before = image_bytes(disk);

	(void)state;
	assert_false(plan_of(disk).has_data);
	assert_ok(install(disk), &err);
	check_installed(disk);
	cleanup_free char *after = image_bytes(disk);

	assert_memory_equal(before, after, ISO_LEN);
}

// dd again, with this image or a newer one: the entries are gone, and what they named is found.
static void an_image_written_anew_gets_its_data_back(void **state)
{
	cleanup_free char *disk = iso_disk(2048 * MIB);
	uint64_t data;

	(void)state;
	assert_ok(install(disk), &err);
	data = data_hash(disk);
	write_iso(disk);
	assert_true(plan_of(disk).has_data);
	assert_ok(install(disk), &err);
	check_installed(disk);
	assert_int_equal(data_hash(disk), data);
}

static void the_data_of_an_enlarged_disk_grows(void **state)
{
	cleanup_free char *disk = iso_disk(1024 * MIB);
	cleanup_free char *before = image_bytes(disk);

	(void)state;
	assert_ok(install(disk), &err);
	assert_int_equal(truncate(disk, 3072 * MIB), 0);
	assert_int_equal(disk_grow_partition(disk, DISK_INSTALL_PARTITION, &err), 1);
	check_installed(disk);
	cleanup_free char *after = image_bytes(disk);

	assert_memory_equal(before, after, ISO_LEN);
	assert_int_equal(disk_grow_partition(disk, DISK_INSTALL_PARTITION, &err), 0);
}

// --- power cuts

// A program that does its work, or not, and then takes the power away.
static int install_with_fake(const char *disk, const char *name, const char *script)
{
	cleanup_free char *bin = path_join(folder, "bin");
	cleanup_free char *fake = path_join(bin, name);
	cleanup_free char *path = xstrdup(getenv("PATH"));
	cleanup_free char *with_fake = xasprintf("%s:%s", bin, path);
	cleanup_free char *text = xasprintf("#!/bin/sh\nPATH=$PATH:/sbin:/usr/sbin\n%s\n", script);
	int r;

	assert_ok(file_mkdirs(bin, 0755, &err), &err);
	assert_ok(file_replace_text(fake, text, 0755, &err), &err);
	setenv("PATH", with_fake, 1);
	r = install(disk);
	setenv("PATH", path, 1);
	assert_ok(file_remove_tree(bin, &err), &err);
	error_clear(&err);
	return r;
}

struct power_cut {
	const char *what, *program, *script;
	bool has_data; // what the next boot sees
};

static const struct power_cut power_cuts[] = {
	{ "the power fails before the file system is made", "mkfs.ext4", "kill -9 $$", false },
	// All of it may have reached the disk, or all but something in the middle: it cannot be known.
	{ "the power fails while the file system is made", "mkfs.ext4", "PATH=${PATH#*:} mkfs.ext4 \"$@\"; kill -9 $$",
	  false },
	{ "the power fails before the partition table is written", "sfdisk", "kill -9 $$", true },
};

static void after_a_power_cut(void **state)
{
	const struct power_cut *row = *state;
	cleanup_free char *disk = NULL, *before = NULL, *after = NULL;

	make_folder(NULL);
	disk = iso_disk(1024 * MIB);
	before = image_bytes(disk);
	assert_true(install_with_fake(disk, row->program, row->script) < 0);
	assert_int_equal(plan_of(disk).has_data, row->has_data);
	after = image_bytes(disk);
	assert_memory_equal(before, after, ISO_LEN);
	assert_ok(install(disk), &err);
	check_installed(disk);
	remove_folder(NULL);
}

// What was there before is no more to be trusted once a new file system is begun.
static void a_power_cut_beside_old_data(void **state)
{
	cleanup_free char *disk = iso_disk(1024 * MIB);
	struct disk_install plan = plan_of(disk);

	(void)state;
	assert_ok(install(disk), &err);
	disk_put(disk, plan.layout.data_start + 1024 + 0x38, "\0\0", 2); // as wipefs does
	write_iso(disk);
	assert_false(plan_of(disk).has_data);
	assert_true(install_with_fake(disk, "mkfs.ext4", "PATH=${PATH#*:} mkfs.ext4 \"$@\"; kill -9 $$") < 0);
	assert_false(plan_of(disk).has_data);
}

// --- what is left alone

static void nothing(const char *disk)
{
	(void)disk;
}

static void gpt_over_it(const char *disk)
{
	make_table(disk, "label: gpt\nsize=16MiB\n");
}

static void third_partition(const char *disk)
{
	static const uint8_t entry[] = { 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0 };

	disk_put(disk, OUR_ENTRIES, entry, sizeof(entry));
}

static void fourth_partition(const char *disk)
{
	static const uint8_t entry[] = { 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0 };

	disk_put(disk, OUR_ENTRIES + 16, entry, sizeof(entry));
}

static void moved_partition(const char *disk)
{
	disk_put(disk, TABLE + 8, "\x80", 1);
}

static void no_efi_partition(const char *disk)
{
	disk_put(disk, TABLE + 16 + 4, "\x0c", 1);
}

static void no_table(const char *disk)
{
	static const uint8_t zero[66];

	disk_put(disk, TABLE, zero, sizeof(zero));
}

static void luks_behind_our_swap(const char *disk)
{
	assert_ok(disk_write_swap(disk, STEP, 64 * MIB, DISK_SWAP_LABEL, &err), &err);
	disk_put(disk, STEP + 64 * MIB, "LUKS\xba\xbe\0\1", 8);
}

static void foreign_ext4_behind_our_swap(const char *disk)
{
	cleanup_free char *offset = xasprintf("offset=%llu", STEP + 64 * MIB);

	assert_ok(disk_write_swap(disk, STEP, 64 * MIB, DISK_SWAP_LABEL, &err), &err);
	run((const char *const[]){ "mkfs.ext4", "-q", "-F", "-L", "photos", "-E", offset, disk, "100m", NULL });
}

static void swap_of_a_larger_disk(const char *disk)
{
	assert_ok(disk_write_swap(disk, STEP, 8192 * MIB, DISK_SWAP_LABEL, &err), &err);
}

struct refusal {
	const char *what;
	void (*fill)(const char *disk);
	uint64_t size;
	const char *says;
};

static const struct refusal refusals[] = {
	{ "a disk of the image's size", nothing, 6 * MIB, "there is room for 0 MiB of data" },
	{ "a disk with too little room", nothing, 700 * MIB, "there is room for 443 MiB of data behind it" },
	{ "a GPT", gpt_over_it, 2048 * MIB, "its partition table is not the image's" },
	{ "a third partition", third_partition, 2048 * MIB, "its partition table is not the image's" },
	{ "a fourth partition", fourth_partition, 2048 * MIB, "its partition table is not the image's" },
	{ "an image partition elsewhere", moved_partition, 2048 * MIB, "its partition table is not the image's" },
	{ "another type instead of EFI", no_efi_partition, 2048 * MIB, "its partition table is not the image's" },
	{ "no partition table", no_table, 2048 * MIB, "no partition table that can be read" },
	{ "another file system behind our swap", foreign_ext4_behind_our_swap, 2048 * MIB,
	  "something that is not ours" },
	{ "LUKS behind our swap", luks_behind_our_swap, 2048 * MIB, "something that is not ours" },
	{ "swap of a larger disk", swap_of_a_larger_disk, 2048 * MIB, "data on a larger disk" },
};

static void is_left_alone(void **state)
{
	const struct refusal *row = *state;
	struct disk_install plan;
	uint64_t before;

	make_folder(NULL);
	cleanup_free char *disk = iso_disk(row->size);

	row->fill(disk);
	before = image_hash(disk);
	assert_true(disk_install_plan(disk, &plan, &err) < 0);
	assert_contains(err.msg, row->says);
	assert_int_equal(image_hash(disk), before);
	remove_folder(NULL);
}

// An MBR counts 2^32 sectors.
static void a_disk_of_3_tib_is_used_as_far_as_its_table_reaches(void **state)
{
	cleanup_free char *disk = iso_disk(3 * 1024 * 1024 * MIB);
	struct disk_layout l = plan_of(disk).layout;

	(void)state;
	assert_int_equal(l.swap_start, STEP);
	assert_int_equal(l.swap_size, 1000000000ULL / MIB * MIB);
	assert_int_equal(l.data_start, l.swap_start + l.swap_size);
	assert_int_equal(l.data_start + l.data_size, 2 * 1024 * 1024 * MIB - 2 * MIB);
}

// So that a larger one can be written over it.
static void there_is_room_for_a_larger_image(void **state)
{
	cleanup_free char *disk = iso_disk(2048 * MIB);
	static const uint8_t size[] = { 0, 0, 8, 0 }; // 256 MiB in sectors

	(void)state;
	disk_put(disk, TABLE + 12, size, sizeof(size));
	assert_int_equal(plan_of(disk).layout.swap_start, 2 * STEP);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest others[] = {
		with_folder(data_goes_behind_the_image_and_the_image_stays),
		with_folder(an_image_written_anew_gets_its_data_back),
		with_folder(the_data_of_an_enlarged_disk_grows),
		with_folder(a_power_cut_beside_old_data),
		with_folder(a_disk_of_3_tib_is_used_as_far_as_its_table_reaches),
		with_folder(there_is_room_for_a_larger_image),
	};
	struct CMUnitTest tests[ARRAY_SIZE(others) + ARRAY_SIZE(power_cuts) + ARRAY_SIZE(refusals)];
	struct CMUnitTest *next = tests;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		*next++ = others[i];
	for (size_t i = 0; i < ARRAY_SIZE(power_cuts); i++)
		*next++ = (struct CMUnitTest){ .name = power_cuts[i].what,
					       .test_func = after_a_power_cut,
					       .initial_state = (void *)(uintptr_t)&power_cuts[i] };
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		*next++ = (struct CMUnitTest){ .name = refusals[i].what,
					       .test_func = is_left_alone,
					       .initial_state = (void *)(uintptr_t)&refusals[i] };
	return cmocka_run_group_tests_name("guest install", tests, NULL, NULL);
}
