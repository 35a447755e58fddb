// SPDX-License-Identifier: Apache-2.0
// Which disk becomes the data disk: a table of disks as people have them. PID 1's own code looks for them in a /sys and a /dev
// made of image files; each row says what is chosen, what the log says, and no disk may have changed by it.
#include "../unit/test.h"

#include "disk-images.h"
#include "disk.h"
#include "disk_prepare.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "tar.h"

#include <stdio.h>
#include <sys/stat.h>

enum trait { VMWARE = 1, READ_ONLY = 2, PARTITION = 4, NO_MEDIUM = 8, DYING = 16 };

struct image {
	const char *name; // NULL: no more
	void (*fill)(const char *path);
	int traits;
	uint64_t size; // 0: 80 MiB
};

struct row {
	const char *what; // the disks, in words
	struct image images[4];
	enum disk_use use;
	const char *chosen; // NULL: none
	const char *log; // a part of it
	bool install; // boot2docker.install was given
};

static char *root;
static struct buf log_text;
static struct error err;

static void keep_line(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	buf_printf(&log_text, "%s\n", line);
}

// --- what is on a disk

static void blank(const char *path)
{
	(void)path;
}

static void magic(const char *path)
{
	cleanup_buf struct buf tar = BUF_INIT;

	tar_magic(&tar);
	disk_put(path, 0, tar.data, tar.len);
}

static void half_magic(const char *path)
{
	disk_put(path, 0, "boot2docker, please for", 23);
}

static void magic_without_checksum(const char *path)
{
	magic(path);
	disk_put(path, 149, "7", 1);
}

// As fdisk leaves it on a disk that began with the magic: the first 446 bytes stay.
static void magic_then_partitioned(const char *path)
{
	static const uint8_t entry[] = { 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 2, 0 };

	magic(path);
	disk_put(path, 446, entry, sizeof(entry));
	disk_put(path, 510, "\x55\xaa", 2);
}

static void magic_in_second_member(const char *path)
{
	cleanup_buf struct buf tar = BUF_INIT;

	tar_add(&tar, "first", '0', "x", 1, NULL);
	tar_add(&tar, TAR_MAGIC_NAME, '0', "x", 1, NULL);
	disk_put(path, 0, tar.data, tar.len);
}

static void magic_cut_short(const char *path)
{
	cleanup_buf struct buf tar = BUF_INIT;

	tar_add(&tar, TAR_MAGIC_NAME, '0', "x", 1, NULL);
	tar_add(&tar, ".ssh/authorized_keys", '0', "x", 1, NULL);
	memcpy(tar.data + 2 * TAR_BLOCK + 124, "77777777777", 11); // a member of 8 GiB
	disk_put(path, 0, tar.data, tar.len);
}

static void swap(const char *path)
{
	assert_ok(disk_write_swap(path, 0, 64 * MIB, "other", &err), &err);
}

// A mirror's member by the old metadata, which lies at a disk's end.
static void raid_then_magic(const char *path)
{
	uint8_t super[4096] = { 0xfc, 0x4e, 0x2b, 0xa9, 0, 0, 0, 0, 90 };
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	disk_put(path, ((uint64_t)st.st_size & ~65535ULL) - 65536, super, sizeof(super));
	magic(path);
}

static void gpt(const char *path)
{
	make_table(path, "label: gpt\nsize=16MiB\n");
}

static void mbr(const char *path)
{
	make_table(path, "label: dos\nsize=16MiB\n");
}

static void empty_gpt(const char *path)
{
	make_table(path, "label: gpt\n");
}

static void luks(const char *path)
{
	disk_put(path, 0, "LUKS\xba\xbe\0\1", 8);
}

static void ntfs(const char *path)
{
	static const uint8_t start[] = { 0xeb, 0x52, 0x90, 'N', 'T', 'F', 'S', ' ', ' ', ' ', ' ', 0, 2, 8 };

	disk_put(path, 0, start, sizeof(start));
	disk_put(path, 510, "\x55\xaa", 2);
}

static uint32_t lvm_crc(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xf597a6cf;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return crc;
}

static void lvm(const char *path)
{
	uint8_t label[512] = "LABELONE\1";
	uint32_t crc;

	label[20] = 32;
	memcpy(label + 24, "LVM2 001", 8);
	memset(label + 32, 'a', 32); // the volume's UUID
	crc = lvm_crc(label + 20, sizeof(label) - 20);
	memcpy(label + 16, &crc, sizeof(crc));
	disk_put(path, 512, label, sizeof(label));
}

static void ext4(const char *path)
{
	make_file_system("mkfs.ext4", path, "");
}

static void photos(const char *path)
{
	make_file_system("mkfs.ext4", path, "photos");
}

static void ours(const char *path)
{
	make_file_system("mkfs.ext4", path, DISK_LABEL);
}

static void our_btrfs(const char *path)
{
	make_file_system("mkfs.btrfs", path, DISK_LABEL);
}

static void btrfs(const char *path)
{
	make_file_system("mkfs.btrfs", path, "other");
}

static void btrfs_then_magic(const char *path)
{
	btrfs(path);
	magic(path);
}

static void ext2(const char *path)
{
	make_file_system("mkfs.ext2", path, DISK_LABEL);
}

static void noise(const char *path)
{
	disk_put(path, 200 * 1024, "some data", 9);
}

static void late_noise(const char *path)
{
	disk_put(path, DISK_BLANK_LEN, "past what is looked at", 22);
}

static void our_image(const char *path)
{
	disk_put_iso(path, ISO_DATE);
}

static void older_image(const char *path)
{
	disk_put_iso(path, "20251124102030");
}

static void image_with_its_data(const char *path)
{
	our_image(path);
	assert_ok(disk_write_swap(path, 256 * MIB, 256 * MIB, DISK_SWAP_LABEL, &err), &err);
	run((const char *const[]){ "mkfs.ext4", "-q", "-F", "-L", DISK_LABEL, "-E", "offset=536870912", path, "1000m",
				   NULL });
}

static void image_with_another_partition(const char *path)
{
	static const uint8_t entry[] = { 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0 };

	our_image(path);
	disk_put(path, 446 + 32, entry, sizeof(entry));
}

#define GIB (1024 * MIB)
#define UNTOUCHED .use = DISK_NONE
#define MOUNTED .use = DISK_MOUNT, .chosen
#define PREPARED .use = DISK_PREPARE, .chosen
#define INSTALLED .use = DISK_INSTALL, .chosen

static const struct row rows[] = {
	{ "no disk at all", { { NULL } }, UNTOUCHED, NULL, "" },
	{ "blank", { { "vda", blank } }, UNTOUCHED, NULL, "vda is left alone: it holds nothing, and does not ask" },
	{ "blank, of VMware", { { "sda", blank, VMWARE } }, PREPARED = "sda", "" },
	{ "blank, of VMware, read-only", { { "sda", blank, VMWARE | READ_ONLY } }, UNTOUCHED, NULL, "holds nothing" },
	{ "of VMware, data after 200 KiB", { { "sda", noise, VMWARE } }, UNTOUCHED, NULL, "what we do not know" },
	{ "of VMware, blank but for its 257th KiB", { { "sda", late_noise, VMWARE } }, PREPARED = "sda", "" },
	{ "of VMware, an empty GPT", { { "sda", empty_gpt, VMWARE } }, UNTOUCHED, NULL, "a partition table (gpt)" },
	{ "of VMware, smaller than 256 KiB", { { "sda", blank, VMWARE, 128 * 1024 } }, UNTOUCHED, NULL, "left alone" },
	{ "of VMware, LUKS", { { "sda", luks, VMWARE } }, UNTOUCHED, NULL, "crypto_LUKS" },
	{ "magic", { { "vda", magic } }, PREPARED = "vda", "" },
	{ "magic, on NVMe", { { "nvme0n1", magic } }, PREPARED = "nvme0n1", "" },
	{ "magic, 2 TiB", { { "vda", magic, 0, 2048 * GIB } }, PREPARED = "vda", "" },
	{ "magic, its archive cut short", { { "vda", magic_cut_short } }, PREPARED = "vda", "" },
	{ "magic, read-only",
	  { { "vda", magic, READ_ONLY } },
	  UNTOUCHED,
	  NULL,
	  "asks to be formatted, but it is read-only" },
	{ "magic in a partition", { { "vda1", magic, PARTITION } }, UNTOUCHED, NULL, "only whole disks are" },
	{ "half the magic", { { "vda", half_magic } }, UNTOUCHED, NULL, "what we do not know" },
	{ "magic with a wrong checksum",
	  { { "vda", magic_without_checksum } },
	  UNTOUCHED,
	  NULL,
	  "what we do not know" },
	{ "magic as the second member", { { "vda", magic_in_second_member } }, UNTOUCHED, NULL, "left alone" },
	{ "magic, then partitioned", { { "vda", magic_then_partitioned } }, UNTOUCHED, NULL, "partition table (dos)" },
	{ "magic, then a btrfs", { { "vda", btrfs_then_magic } }, MOUNTED = "vda", "" },
	{ "magic, and a RAID member", { { "vda", raid_then_magic } }, UNTOUCHED, NULL, "but it is in use" },
	{ "MBR", { { "vda", mbr } }, UNTOUCHED, NULL, "a partition table (dos)" },
	{ "GPT", { { "vda", gpt } }, UNTOUCHED, NULL, "a partition table (gpt)" },
	{ "LVM", { { "vda", lvm } }, UNTOUCHED, NULL, "LVM2_member" },
	{ "LUKS", { { "vda", luks } }, UNTOUCHED, NULL, "crypto_LUKS" },
	{ "NTFS header", { { "vda", ntfs } }, UNTOUCHED, NULL, "left alone" },
	{ "swap alone", { { "vda", swap } }, UNTOUCHED, NULL, "" },
	{ "ext2 with our label", { { "vda", ext2 } }, UNTOUCHED, NULL, "it holds ext2" },
	{ "ext4 without label", { { "vda", ext4 } }, MOUNTED = "vda", "" },
	{ "ext4 without label, read-only", { { "vda", ext4, READ_ONLY } }, UNTOUCHED, NULL, "it holds ext4" },
	{ "btrfs", { { "vda", btrfs, 0, 200 * MIB } }, MOUNTED = "vda", "" },
	{ "our label, read-only", { { "vda", ours, READ_ONLY } }, UNTOUCHED, NULL, "but it is read-only" },
	{ "our label in a partition", { { "vda", gpt }, { "vda1", ours, PARTITION } }, MOUNTED = "vda1", "" },
	{ "our label on btrfs, behind another",
	  { { "vda", photos }, { "vdb", our_btrfs, 0, 200 * MIB } },
	  MOUNTED = "vdb",
	  "vda is left alone: it holds ext4 named \"photos\"" },
	{ "two with our label, the first read-only",
	  { { "vda", ours, READ_ONLY }, { "vdb", ours } },
	  MOUNTED = "vdb",
	  "vda is left alone: its label is" },
	{ "two with our label",
	  { { "sdb", ours }, { "sda", ours } },
	  MOUNTED = "sda",
	  "another disk with that label came first" },
	{ "names with numbers are in their order",
	  { { "sda10", photos, PARTITION }, { "sda9", ext4, PARTITION } },
	  MOUNTED = "sda9",
	  "sda10 is left alone" },
	{ "our label comes before the magic",
	  { { "vda", magic }, { "vdb", ours } },
	  MOUNTED = "vdb",
	  "another disk came first" },
	{ "the magic comes before a blank one of VMware",
	  { { "sda", blank, VMWARE }, { "sdb", magic } },
	  PREPARED = "sdb",
	  "sda is left alone: it holds nothing" },
	{ "a blank one of VMware comes before an ext4",
	  { { "sda", photos, VMWARE }, { "sdb", blank, VMWARE } },
	  PREPARED = "sdb",
	  "photos" },
	{ "a dying disk is passed over",
	  { { "vda", blank, DYING }, { "vdb", magic } },
	  PREPARED = "vdb",
	  "disk vda is left alone: read" },
	{ "our image, and nobody asked",
	  { { "sda", our_image, 0, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "it holds iso9660 named" },
	{ "our image", { { "sda", our_image, 0, 2 * GIB } }, INSTALLED = "sda", "", .install = true },
	{ "our image on a disk that is too small",
	  { { "sda", our_image } },
	  UNTOUCHED,
	  NULL,
	  "it holds this image, but there is room for 0 MiB",
	  .install = true },
	{ "our image, read-only",
	  { { "sda", our_image, READ_ONLY, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "it holds this image, but is read-only",
	  .install = true },
	{ "our image, and a partition that is not ours",
	  { { "sda", image_with_another_partition, 0, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "it holds this image, but its partition table is not the image's",
	  .install = true },
	{ "our image in a partition",
	  { { "sda1", our_image, PARTITION, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "sda1 is left alone: it holds iso9660",
	  .install = true },
	{ "another version of our image",
	  { { "sda", older_image, 0, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "sda is left alone: it holds iso9660",
	  .install = true },
	{ "our image on two disks",
	  { { "sda", our_image, 0, 2 * GIB }, { "sdb", our_image, 0, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "it holds this image, but so does another disk",
	  .install = true },
	{ "our label comes before our image",
	  { { "sda", our_image, 0, 2 * GIB }, { "sdb", ours } },
	  MOUNTED = "sdb",
	  "boot2docker.install was given, but another disk came first",
	  .install = true },
	{ "our image comes before the magic",
	  { { "sda", magic }, { "sdb", our_image, 0, 2 * GIB } },
	  INSTALLED = "sdb",
	  "asks to be formatted, but another disk came first",
	  .install = true },
	{ "our image on another disk than the magic, and nobody asked",
	  { { "sda", magic }, { "sdb", our_image, 0, 2 * GIB } },
	  PREPARED = "sda",
	  "sdb is left alone" },
	{ "an image written over an older one, with data behind it",
	  { { "sda", image_with_its_data, 0, 2 * GIB } },
	  UNTOUCHED,
	  NULL,
	  "it has data behind this image" },
	{ "a blank disk, and somebody asked", { { "vda", blank } }, UNTOUCHED, NULL, "holds nothing", .install = true },
	{ "a drive without a medium", { { "sda", blank, NO_MEDIUM } }, UNTOUCHED, NULL, "" },
	{ "a CD, a loop and a floppy are no disks",
	  { { "sr0", ours }, { "loop0", ours }, { "fd0", magic } },
	  UNTOUCHED,
	  NULL,
	  "" },
};

// --- a machine with these disks

static void attribute(const char *disk, const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/sys/class/block/%s/%s", root, disk, name);
	cleanup_free char *folder = path_dir(path);

	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace_text(path, text, 0644, &err), &err);
}

static void put_os_release(void)
{
	cleanup_free char *etc = path_join(root, "etc");
	cleanup_free char *path = path_join(etc, "os-release");

	assert_ok(file_mkdirs(etc, 0755, &err), &err);
	assert_ok(file_replace_text(path, "ID=boot2docker\nIMAGE_VERSION=" ISO_VERSION "\n", 0644, &err), &err);
}

static void plug_in(const struct image *image)
{
	cleanup_free char *dev = path_join(root, "dev");
	uint64_t size = image->size ? image->size : (image->fill == btrfs_then_magic ? 200 : 80) * MIB;

	assert_ok(file_mkdirs(dev, 0755, &err), &err);
	if (image->traits & DYING) { // reading a folder fails as reading such a disk does
		cleanup_free char *folder = path_join(dev, image->name);

		assert_ok(file_mkdirs(folder, 0755, &err), &err);
	} else {
		cleanup_free char *path = disk_image(dev, image->name, size, "", 0);

		image->fill(path);
	}
	attribute(image->name, "size", image->traits & NO_MEDIUM ? "0\n" : "163840\n");
	attribute(image->name, "ro", image->traits & READ_ONLY ? "1\n" : "0\n");
	if (image->traits & PARTITION)
		attribute(image->name, "partition", "1\n");
	attribute(image->name, "device/vendor", image->traits & VMWARE ? "VMware, \n" : "ATA     \n");
	attribute(image->name, "device/model", image->traits & VMWARE ? "VMware Virtual S\n" : "QEMU HARDDISK\n");
}

static uint64_t hash_of(const struct image *image)
{
	cleanup_free char *path = xasprintf("%s/dev/%s", root, image->name);

	return image->traits & DYING ? 0 : image_hash(path);
}

static void check_choice(const struct row *row, const struct disk_choice *choice)
{
	if (choice->use != row->use)
		fail_msg("%s: chosen is %d for %d because %s", row->what, choice->use, row->use, choice->why);
	if (row->chosen && strcmp(choice->disk->name, row->chosen) != 0)
		fail_msg("%s: %s is chosen, not %s", row->what, choice->disk->name, row->chosen);
	if (!strstr(buf_str(&log_text), row->log))
		fail_msg("%s: \"%s\" is not in the log: %s", row->what, row->log, buf_str(&log_text));
}

// The short look finds a disk with our label where the long one does, and no other.
static void check_labelled(const struct guest *g, const struct disk_choice *whole)
{
	bool labelled = whole->disk && strcmp(whole->why, "its label is " DISK_LABEL) == 0;
	struct disk_facts *facts;
	size_t count;

	disk_list(g, &facts, &count);
	assert_int_equal(disk_examine_labelled(facts, count), labelled);
	if (labelled) {
		struct disk_choice choice = disk_choose(facts, count, false);

		assert_int_equal(choice.use, whole->use);
		assert_string_equal(choice.disk->name, whole->disk->name);
		assert_string_equal(choice.why, whole->why);
	}
	disk_list_done(facts, count);
}

static void check_row(const struct row *row)
{
	struct guest g;
	struct disk_facts *facts;
	size_t count;
	uint64_t before[ARRAY_SIZE(row->images)];
	struct disk_choice choice;

	root = test_folder();
	g = (struct guest){ .root = root };
	put_os_release();
	buf_clear(&log_text);
	for (size_t i = 0; row->images[i].name; i++) {
		plug_in(&row->images[i]);
		before[i] = hash_of(&row->images[i]);
	}
	disk_list(&g, &facts, &count);
	disk_examine_all(&g, facts, count);
	choice = disk_choose(facts, count, row->install);
	(void)disk_log_others(facts, count, &choice, row->install);
	check_choice(row, &choice);
	check_labelled(&g, &choice);
	for (size_t i = 0; row->images[i].name; i++)
		if (hash_of(&row->images[i]) != before[i])
			fail_msg("%s: %s was written to", row->what, row->images[i].name);
	disk_list_done(facts, count);
	assert_ok(file_remove_tree(root, &err), &err);
	free(root);
}

static void each_row(void **state)
{
	const struct row *row = *state;

	printf("# %s\n", row->what);
	check_row(row);
}

static int count_meant(const char *name, void (*fill)(const char *path), int traits)
{
	struct guest g;
	struct disk_facts *facts;
	size_t count, meant;

	root = test_folder();
	g = (struct guest){ .root = root };
	put_os_release();
	plug_in(&(struct image){ name, fill, traits, 0 });
	disk_list(&g, &facts, &count);
	disk_examine_all(&g, facts, count);
	meant = disk_log_others(facts, count, &(struct disk_choice){ .use = DISK_NONE }, false);
	disk_list_done(facts, count);
	assert_ok(file_remove_tree(root, &err), &err);
	free(root);
	return (int)meant;
}

// What the login banner tells a person about: only disks that were to be data disks.
static void a_disk_that_was_meant_as_ours_is_counted(void **state)
{
	(void)state;
	assert_int_equal(count_meant("vda", ours, READ_ONLY), 1);
	assert_int_equal(count_meant("vda", raid_then_magic, 0), 1);
	assert_int_equal(count_meant("vda", photos, 0), 0);
	assert_int_equal(count_meant("vda", blank, 0), 0);
	assert_int_equal(count_meant("vda", our_image, 0), 0);
}

static void a_partition_knows_its_disk(void **state)
{
	static const struct {
		const char *name;
		int partition;
		const char *disk;
	} names[] = {
		{ "vda1", 1, "vda" },          { "sdab12", 12, "sdab" },    { "nvme0n1p2", 2, "nvme0n1" },
		{ "mmcblk0p1", 1, "mmcblk0" }, { "nvme0n1", 0, "nvme0n1" }, { "sdp3", 3, "sdp" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct disk_facts f = { .name = xstrdup(names[i].name), .partition = names[i].partition };
		cleanup_free char *disk = disk_of_partition(&f);

		assert_string_equal(disk, names[i].disk);
		disk_facts_done(&f);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];
	int failed;

	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].what,
						.test_func = each_row,
						.initial_state = (void *)(uintptr_t)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest)cmocka_unit_test(a_disk_that_was_meant_as_ours_is_counted);
	tests[ARRAY_SIZE(rows) + 1] = (struct CMUnitTest)cmocka_unit_test(a_partition_knows_its_disk);
	failed = cmocka_run_group_tests_name("guest disk table", tests, NULL, NULL);
	buf_done(&log_text);
	return failed;
}
