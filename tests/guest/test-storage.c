// SPDX-License-Identifier: Apache-2.0
// The data disk in use, without a machine: PID 1's own step mounts, checks and grows images in loop devices, in a mount namespace
// over a folder as root. Each story is a process, so that its mounts end with it.
#include "../unit/test.h"

#include "bootlog.h"
#include "disk-images.h"
#include "disk.h"
#include "disk_prepare.h"
#include "ext4.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "modules.h"
#include "storage.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define TEST_BIN "/test-bin"

static struct error err;
static struct guest guest;
static int loop = -1; // held until the process ends

static int make_root(void **state)
{
	(void)state;
	error_clear(&err);
	guest = (struct guest){ .root = test_folder() };
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

// A program of this name is found before the real one.
static void put_program(const char *name, const char *script)
{
	cleanup_free char *path = path_join(TEST_BIN, name);
	cleanup_free char *full = guest_path(&guest, path);
	cleanup_free char *text = xasprintf("#!/bin/sh\n%s", script);

	put(path, text);
	assert_int_equal(chmod(full, 0755), 0);
}

// --- a machine with disks

// The machine that runs the test may have a kernel that reads no partition tables: partx tells it what sfdisk wrote.
static void add_partx_to_sfdisk(void)
{
	cleanup_free char *bin = guest_path(&guest, TEST_BIN);
	cleanup_free char *path = xasprintf("%s:%s", bin, getenv("PATH"));

	put_program("sfdisk", "PATH=${PATH#*:}:/sbin:/usr/sbin\nsfdisk \"$@\" || exit\n"
			      "for disk; do :; done\npartx -u \"$(readlink -f \"$disk\")\"\n");
	setenv("PATH", path, 1);
}

static void enter_namespace(void)
{
	add_partx_to_sfdisk();
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("/dev/null", "/dev/console", NULL, MS_BIND, NULL), 0); // not on this machine's
	put(MODULES_NOTE, "");
	put("/etc/motd", "a whale\n");
	put("/var/lib/there", "");
	bootlog_open(&guest);
	bootlog_attach_file(&guest);
}

static char *attach(const char *image, bool read_only)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	char *device = xasprintf("/dev/loop%d", number);
	int file = open(image, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct loop_config config = { .fd = (uint32_t)file,
				      .info = { .lo_flags = LO_FLAGS_PARTSCAN | LO_FLAGS_AUTOCLEAR |
							    (read_only ? LO_FLAGS_READ_ONLY : 0) } };

	loop = open(device, O_RDWR | O_CLOEXEC);
	assert_true(control >= 0 && file >= 0 && loop >= 0);
	assert_int_equal(ioctl(loop, LOOP_CONFIGURE, &config), 0);
	close(control);
	close(file);
	return device;
}

// Plugs an image in as vda. Its first partition shows as vda1 once the kernel sees it.
static void plug_in(const char *image, bool read_only)
{
	cleanup_free char *device = attach(image, read_only);
	cleanup_free char *partition = xasprintf("%sp1", device);
	cleanup_free char *dev = guest_path(&guest, "/dev");
	cleanup_free char *disk = guest_path(&guest, "/dev/vda");
	cleanup_free char *node = guest_path(&guest, "/dev/vda1");
	cleanup_free char *fourth = xasprintf("%sp4", device), *fourth_node = guest_path(&guest, "/dev/vda4");

	put("/sys/class/block/vda/size", "1000\n");
	put("/sys/class/block/vda/ro", read_only ? "1\n" : "0\n");
	assert_ok(file_mkdirs(dev, 0755, &err), &err);
	assert_int_equal(symlink(device, disk), 0);
	assert_int_equal(symlink(partition, node), 0);
	assert_int_equal(symlink(fourth, fourth_node), 0);
}

static void show_partition(void)
{
	put("/sys/class/block/vda1/size", "1000\n");
	put("/sys/class/block/vda1/ro", "0\n");
	put("/sys/class/block/vda1/partition", "1\n");
}

static void boot(void)
{
	assert_ok(storage_mount(&guest, &err), &err);
}

static void check_place(const char *name)
{
	cleanup_free char *place = guest_read(&guest, STORAGE_NOTE);

	if (!place || strcmp(place, name) != 0) {
		cleanup_free char *log = guest_read(&guest, BOOTLOG_FILE);

		fail_msg("data is at %s, not %s: %s", place ? place : "no place", name, log ? log : "");
	}
}

static void check_log(const char *part)
{
	cleanup_free char *log = guest_read(&guest, BOOTLOG_FILE);

	assert_contains(log ? log : "", part);
}

static void check_banner(bool warns)
{
	cleanup_free char *motd = guest_read(&guest, "/etc/motd");

	assert_contains(motd, "a whale");
	assert_int_equal(strstr(motd, "THE DATA DISK IS NOT USED") != NULL, warns);
}

static uint64_t size_of(const char *place)
{
	cleanup_free char *path = guest_path(&guest, place);
	struct statvfs fs;

	assert_int_equal(statvfs(path, &fs), 0);
	return (uint64_t)fs.f_blocks * fs.f_frsize;
}

// --- the stories

static void show_data_partition(void)
{
	put("/sys/class/block/vda4/size", "1000\n");
	put("/sys/class/block/vda4/ro", "0\n");
	put("/sys/class/block/vda4/partition", "4\n");
}

static void unmount(const char *place)
{
	cleanup_free char *path = guest_path(&guest, place);

	assert_int_equal(umount2(path, 0), 0);
}

// The disk that our ISO was written to.
static void data_goes_behind_our_image(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 1024 * MIB, "", 0);
	cleanup_free char *kept = guest_path(&guest, "/mnt/vda4/var/lib/docker/kept");

	put("/etc/os-release", "IMAGE_VERSION=" ISO_VERSION "\n");
	disk_put_iso(disk, ISO_DATE);
	plug_in(disk, false);
	boot();
	check_place("ram");
	unmount("/mnt/ram");
	guest.options.install = true;
	boot();
	check_place("vda4");
	check_log("data disk vda: boot2docker.install was given");
	check_log("vda4 was made behind the image");
	put("/mnt/vda4/var/lib/docker/kept", "kept");
	unmount("/mnt/vda4");
	show_data_partition();
	guest.options.install = false;
	boot();
	check_place("vda4");
	assert_true(file_exists(kept));
	check_banner(false);
}

// dd, which takes the partitions away. Without a word from the user they are not given back, but told of.
static void an_image_is_written_over_ours(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 1024 * MIB, "", 0);
	cleanup_free char *device = guest_path(&guest, "/dev/vda");
	cleanup_free char *kept = guest_path(&guest, "/mnt/vda4/var/lib/docker/kept");

	put("/etc/os-release", "IMAGE_VERSION=" ISO_VERSION "\n");
	disk_put_iso(disk, ISO_DATE);
	plug_in(disk, false);
	guest.options.install = true;
	boot();
	check_place("vda4");
	put("/mnt/vda4/var/lib/docker/kept", "kept");
	unmount("/mnt/vda4");
	disk_put(device, 446 + 32, (const char[32]){ 0 }, 32);
	disk_put_iso(device, ISO_DATE);
	guest.options.install = false;
	boot();
	check_place("ram");
	check_log("to name it in the partition table, boot with boot2docker.install");
	check_banner(true);
	unmount("/mnt/ram");
	guest.options.install = true;
	boot();
	check_place("vda4");
	check_log("vda4 was found behind the image");
	assert_true(file_exists(kept));
}

static void nothing_to_install_on(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 80 * MIB, "", 0);
	uint64_t before = image_hash(disk);

	put("/etc/os-release", "IMAGE_VERSION=" ISO_VERSION "\n");
	plug_in(disk, false);
	guest.options.install = true;
	boot();
	check_place("ram");
	check_log("no disk holds the image that runs");
	check_banner(true);
	assert_int_equal(image_hash(disk), before);
}

static char *magic_disk(void)
{
	cleanup_buf struct buf magic = BUF_INIT;

	tar_magic(&magic);
	return disk_image(guest.root, "disk", 300 * MIB, magic.data, magic.len);
}

static void prepared_used_and_grown(void)
{
	cleanup_free char *disk = magic_disk();
	cleanup_free char *kept = guest_path(&guest, "/mnt/vda1/var/lib/docker/kept");
	cleanup_free char *mounted = guest_path(&guest, "/mnt/vda1");
	uint64_t size;

	plug_in(disk, false);
	boot();
	check_place("vda1");
	check_log("data disk vda: it asks to be formatted");
	put("/mnt/vda1/var/lib/docker/kept", "kept");
	size = size_of("/mnt/vda1");
	assert_int_equal(umount2(mounted, 0), 0);
	assert_int_equal(truncate(disk, 900 * MIB), 0);
	assert_int_equal(ioctl(loop, LOOP_SET_CAPACITY), 0);
	show_partition();
	boot();
	check_place("vda1");
	check_log("disk vda has grown: so has its partition 1");
	if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE) == 1) {
		check_log("the file system of vda1 has grown to");
		assert_true(size_of("/mnt/vda1") > size + 500 * MIB);
	} else { // which ext4 asks for: then the disk is used as it is
		check_log("the file system of vda1 has not grown with its partition");
		assert_int_equal(size_of("/mnt/vda1"), size);
	}
	assert_true(file_exists(kept));
	check_banner(false);
}

static void a_btrfs_grows(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 200 * MIB, "", 0);

	make_file_system("mkfs.btrfs", disk, DISK_LABEL);
	assert_int_equal(truncate(disk, 400 * MIB), 0);
	plug_in(disk, false);
	boot();
	check_place("vda");
	check_log("the file system of vda has grown to");
	assert_int_equal(size_of("/mnt/vda"), 400 * MIB);
}

// Somebody may have wanted it to be smaller than its disk.
static void a_foreign_file_system_is_not_grown(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 100 * MIB, "", 0);

	make_file_system("mkfs.ext4", disk, "photos");
	assert_int_equal(truncate(disk, 300 * MIB), 0);
	plug_in(disk, false);
	boot();
	check_place("vda");
	assert_true(size_of("/mnt/vda") < 100 * MIB);
}

static void debugfs(const char *disk, const char *commands)
{
	const char *argv[] = { "debugfs", "-w", "-f", "-", disk, NULL };
	struct proc_spec spec = { .argv = argv, .in = PROC_DATA, .input = commands, .input_len = strlen(commands) };

	assert_ok(proc_check(&spec, &err), &err);
}

static char *our_ext4(void)
{
	char *disk = disk_image(guest.root, "disk", 80 * MIB, "", 0);

	make_file_system("mkfs.ext4", disk, DISK_LABEL);
	return disk;
}

// A stick: its interface is there at once, its disk a while later.
static void a_disk_at_usb_is_waited_for(void)
{
	cleanup_free char *disk = our_ext4();
	cleanup_free char *link = guest_path(&guest, "/sys/class/block/vda");
	int64_t start = clock_ms();

	plug_in(disk, false);
	cleanup_free char *size = guest_path(&guest, "/sys/class/block/vda/size");
	cleanup_free char *ro = guest_path(&guest, "/sys/class/block/vda/ro");

	assert_int_equal(unlink(size) | unlink(ro) | rmdir(link), 0);
	put("/sys/bus/usb/devices/usb1/bDeviceClass", "09\n");
	put("/sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "08\n");
	put("/sys/devices/usb1/1-1/1-1:1.0/block/vda/size", "1000\n");
	put("/sys/devices/usb1/1-1/1-1:1.0/block/vda/ro", "0\n");
	if (fork() == 0) {
		clock_sleep_ms(4000);
		_exit(symlink("../../devices/usb1/1-1/1-1:1.0/block/vda", link));
	}
	boot();
	check_place("vda");
	assert_true(clock_ms() - start < 10000);
}

static void usb_without_a_disk_does_not_hold_up_the_boot(void)
{
	int64_t start = clock_ms();

	put("/sys/bus/usb/devices/usb1/bDeviceClass", "09\n");
	put("/sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "03\n");
	boot();
	check_place("ram");
	assert_true(clock_ms() - start < 10000);
}

static void a_damaged_disk_is_repaired(void)
{
	cleanup_free char *disk = our_ext4();

	debugfs(disk, "ssv free_blocks_count 7\nssv state 2\n");
	plug_in(disk, false);
	boot();
	check_place("vda");
	check_log("e2fsck of");
	check_banner(false);
}

// Most boots: nothing is to be done, and e2fsck, which would see the same, is not even started.
static void a_clean_disk_is_not_checked(void)
{
	cleanup_free char *disk = our_ext4();

	put_program("e2fsck", "exit 8\n");
	plug_in(disk, false);
	boot();
	check_place("vda");
	check_banner(false);
}

static void whatever_is_not_clean_is_checked(void)
{
	static const char *const marks[] = { "ssv state 0\n",
					     "ssv state 3\n",
					     "feature needs_recovery\n",
					     "ssv last_orphan 12\n",
					     "feature orphan_present\n",
					     "ssv checkinterval 86400\n",
					     "ssv max_mnt_count 20\n",
					     "ssv error_count 1\n" };
	struct ext4_facts facts;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		cleanup_free char *disk = our_ext4();
		cleanup_close int fd = open(disk, O_RDONLY | O_CLOEXEC);

		assert_true(ext4_read(fd, &facts) && facts.is_clean);
		assert_int_equal(facts.blocks * facts.block_size, 80 * MIB);
		debugfs(disk, marks[i]);
		if (!ext4_read(fd, &facts) || facts.is_clean)
			fail_msg("clean although: %s", marks[i]);
		assert_int_equal(unlink(disk), 0);
	}
}

static void a_disk_beyond_repair(void)
{
	cleanup_free char *disk = our_ext4();
	cleanup_free char *mounted = guest_path(&guest, "/mnt/vda");

	debugfs(disk, "clri <2>\nssv state 2\n"); // no root directory
	plug_in(disk, false);
	boot();
	check_place("ram");
	check_log("could not be repaired");
	check_banner(true);
	assert_false(file_exists(mounted));
}

static void a_read_only_disk(void)
{
	cleanup_free char *disk = our_ext4();
	uint64_t before = image_hash(disk);

	plug_in(disk, true);
	boot();
	check_place("ram");
	check_log("its label is " DISK_LABEL ", but it is read-only");
	check_banner(true);
	assert_int_equal(image_hash(disk), before);
}

static void a_disk_too_small(void)
{
	cleanup_buf struct buf magic = BUF_INIT;

	tar_magic(&magic);
	cleanup_free char *disk = disk_image(guest.root, "disk", 10 * MIB, magic.data, magic.len);
	uint64_t before = image_hash(disk);

	plug_in(disk, false);
	boot();
	check_place("ram");
	check_log("too small for data");
	check_banner(true);
	assert_int_equal(image_hash(disk), before);
}

static void a_foreign_disk(void)
{
	cleanup_free char *disk = disk_image(guest.root, "disk", 80 * MIB, "LUKS\xba\xbe\0\1", 8);
	uint64_t before = image_hash(disk);

	plug_in(disk, false);
	boot();
	check_place("ram");
	check_log("disk vda is left alone: it holds crypto_LUKS");
	check_banner(false);
	assert_int_equal(image_hash(disk), before);
}

struct story {
	const char *name;
	void (*tell)(void);
};

static const struct story stories[] = {
	{ "a disk is prepared and used; enlarged, it grows, and what is on it stays", prepared_used_and_grown },
	{ "a btrfs grows", a_btrfs_grows },
	{ "a file system without our label is used, but not grown", a_foreign_file_system_is_not_grown },
	{ "what e2fsck repairs by itself is repaired and used", a_damaged_disk_is_repaired },
	{ "a disk that was unmounted in order is mounted without e2fsck", a_clean_disk_is_not_checked },
	{ "e2fsck has a look when anything in the superblock asks for one", whatever_is_not_clean_is_checked },
	{ "a disk beyond repair is not mounted, and said so", a_disk_beyond_repair },
	{ "a read-only disk of ours is not mounted, and said so", a_read_only_disk },
	{ "a disk that is too small is not touched, and said so", a_disk_too_small },
	{ "a foreign disk is left as it was", a_foreign_disk },
	{ "a disk at USB is waited for", a_disk_at_usb_is_waited_for },
	{ "USB without a disk does not hold up the boot", usb_without_a_disk_does_not_hold_up_the_boot },
	{ "data goes behind our image when asked, and is found there without", data_goes_behind_our_image },
	{ "an image is written over ours, and the data behind it is kept", an_image_is_written_over_ours },
	{ "boot2docker.install without a disk to install on is told of", nothing_to_install_on },
};

static void in_a_process(void **state)
{
	const struct story *story = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0)
		skip(); // loop devices are root's
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1",
		       1); // a failure ends this process, rather than going on with the next test
		enter_namespace();
		story->tell();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(stories)];

	for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
		tests[i] = (struct CMUnitTest){ .name = stories[i].name,
						.test_func = in_a_process,
						.setup_func = make_root,
						.teardown_func = remove_root,
						.initial_state = (void *)(uintptr_t)&stories[i] };
	return cmocka_run_group_tests_name("guest storage", tests, NULL, NULL);
}
