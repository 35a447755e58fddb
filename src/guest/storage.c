// SPDX-License-Identifier: Apache-2.0
// The data disk in use: check, mount, links, swap.
#include "storage.h"

#include "bootlog.h"
#include "child.h"
#include "disk.h"
#include "disk_grow.h"
#include "disk_install.h"
#include "disk_prepare.h"
#include "ext4.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "modules.h"
#include "usb.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>

#define RAM_NAME "ram"
#define PARTITION_WAIT_MS 3000
#define DRIVERS_WAIT_MS 60000
#define OTHERS_NOTE GUEST_RUN "/disks-not-looked-at" // is there when there are some
#define USB_WAIT_MS 3000 // for devices to be found
#define USB_DISK_WAIT_MS 15000 // for the disk of one that was
#define CHECK_MS (4 * 3600 * 1000) // a check of a large disk takes long, and killing it does harm

// vda -> vda1, nvme0n1 -> nvme0n1p1
static char *partition_name(const char *disk, int number)
{
	bool digit = isdigit((unsigned char)disk[strlen(disk) - 1]);

	return xasprintf("%s%s%d", disk, digit ? "p" : "", number);
}

static bool is_labelled(const struct disk_facts *f)
{
	return f->label && strcmp(f->label, DISK_LABEL) == 0;
}

static int wait_for_device(const char *path, struct error *err)
{
	int64_t deadline = clock_ms() + PARTITION_WAIT_MS;

	while (!file_exists(path)) {
		if (clock_ms() > deadline)
			return error_say(err, ENOENT, "%s did not appear after its disk was partitioned", path);
		clock_sleep_ms(10);
	}
	return 0;
}

// Prepares the disk; *ret_name is then its data partition.
static int prepare(const struct guest *g, const struct disk_facts *disk, char **ret_name, struct error *err)
{
	cleanup_free char *staging = guest_path(g, GUEST_RUN "/new-disk");
	cleanup_free char *name = partition_name(disk->name, 1);
	cleanup_free char *partition = xasprintf("%s/dev/%s", g->root, name);
	cleanup_close int fd = open(disk->path, O_RDONLY | O_CLOEXEC);
	uint8_t userdata[DISK_MAGIC_LEN];
	int r;

	if (fd < 0 || pread(fd, userdata, sizeof(userdata), 0) != (ssize_t)sizeof(userdata))
		return error_set(err, errno, "read %s", disk->path);
	close(take_fd(&fd)); // sfdisk wants the disk for itself
	r = disk_prepare(disk->path, disk->size, staging, disk->magic ? userdata : NULL, err);
	if (r == 0)
		r = wait_for_device(partition, err);
	if (r == 0)
		*ret_name = take_ptr(name);
	return r;
}

static bool is_clean_ext4(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ext4_facts facts;

	return fd >= 0 && ext4_read(fd, &facts) && facts.is_clean;
}

// Exit status of e2fsck: 1 errors corrected, 2 corrected and a reboot is due (not before the first mount), 4 and more: not.
static int check_ext4(const char *path, struct error *err)
{
	const char *const argv[] = { "e2fsck", "-p", path, NULL };
	cleanup_buf struct buf output = BUF_INIT;
	struct proc_spec spec = { .argv = argv,
				  .out = PROC_CAPTURE,
				  .errs = PROC_CAPTURE,
				  .out_buf = &output,
				  .err_buf = &output,
				  .timeout_ms = CHECK_MS };
	int r;

	if (is_clean_ext4(path)) // a program less to start
		return 0;
	r = proc_run(&spec, err);
	buf_trim_end(&output);
	if (r < 0)
		return r;
	if (r > 0)
		log_warn("e2fsck of %s: %s", path, buf_str(&output));
	if (r >= 4)
		return error_say(err, EUCLEAN,
				 "%s is damaged and could not be repaired (e2fsck says %d); run e2fsck on it by "
				 "hand, see /boot.log",
				 path, r);
	return 0;
}

static int mount_data(const struct guest *g, const char *name, const char *type, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, name);
	cleanup_free char *target = xasprintf("%s/mnt/%s", g->root, name);
	int r = file_mkdirs(target, 0755, err);

	if (r < 0)
		return r;
	if (mount(path, target, type, MS_NOATIME, strcmp(type, "ext4") == 0 ? "discard" : NULL) < 0)
		return error_set(err, errno, "mount %s (%s) at %s", path, type, target);
	return 0;
}

// A disk that cannot grow is used as it is.
static void grow_partition(const struct guest *g, const struct disk_facts *f)
{
	cleanup_free char *disk = disk_of_partition(f);
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, disk);
	struct error err = ERROR_INIT;
	int r = f->partition > 0 ? disk_grow_partition(path, f->partition, &err) : 0;

	if (r > 0 && wait_for_device(f->path, &err) < 0)
		r = -ENOENT;
	if (r > 0)
		log_info("disk %s has grown: so has its partition %d", disk, f->partition);
	if (r < 0)
		log_warn("disk %s has grown, but its partition %d has not: %s", disk, f->partition, err.msg);
}

static void grow_file_system(const struct guest *g, const struct disk_facts *f)
{
	cleanup_free char *target = xasprintf("%s/mnt/%s", g->root, f->name);
	struct error err = ERROR_INIT;
	int r = disk_grow_file_system(f->path, target, f->type, &err);

	if (r > 0)
		log_info("the file system of %s has grown to the size of its partition", f->name);
	if (r < 0)
		log_warn("the file system of %s has not grown with its partition: %s", f->name, err.msg);
}

static int mount_existing(const struct guest *g, const struct disk_facts *f, struct error *err)
{
	int r = 0;

	if (is_labelled(f))
		grow_partition(g, f);
	if (strcmp(f->type, "ext4") == 0)
		r = check_ext4(f->path, err);
	if (r == 0)
		r = mount_data(g, f->name, f->type, err);
	if (r == 0 && is_labelled(f))
		grow_file_system(g, f);
	return r;
}

// Makes the data partition behind our image, or finds it again; it is looked at as one that was there before.
static int install(const struct guest *g, const struct disk_facts *disk, struct disk_facts *ret, struct error *err)
{
	cleanup_free char *staging = guest_path(g, GUEST_RUN "/new-disk");
	struct disk_install plan = { .has_data = false };
	int r = disk_install_plan(disk->path, &plan, err);

	*ret = (struct disk_facts){ .name = partition_name(disk->name, DISK_INSTALL_PARTITION),
				    .partition = DISK_INSTALL_PARTITION };
	ret->path = xasprintf("%s/dev/%s", g->root, ret->name);
	if (r == 0)
		r = disk_install(disk->path, &plan, staging, err);
	if (r == 0)
		r = wait_for_device(ret->path, err);
	if (r == 0)
		r = disk_examine(ret, err);
	if (r == 0 && !ret->type)
		r = error_say(err, EIO, "%s has no file system after it was made", ret->path);
	if (r == 0)
		log_info("%s %s behind the image: it will be found without boot2docker.install from now on", ret->name,
			 plan.has_data ? "was found" : "was made");
	return r;
}

static int install_and_mount(const struct guest *g, const struct disk_facts *disk, char **ret_name, struct error *err)
{
	struct disk_facts partition;
	int r = install(g, disk, &partition, err);

	if (r == 0)
		r = mount_existing(g, &partition, err);
	if (r == 0)
		*ret_name = xstrdup(partition.name);
	disk_facts_done(&partition);
	return r;
}

static int mount_choice(const struct guest *g, const struct disk_choice *choice, char **ret_name, struct error *err)
{
	cleanup_free char *name = NULL;
	int r;

	log_info("data disk %s: %s", choice->disk->name, choice->why);
	if (choice->use == DISK_PREPARE) {
		r = prepare(g, choice->disk, &name, err);
		if (r == 0)
			r = mount_data(g, name, "ext4", err);
	} else if (choice->use == DISK_INSTALL) {
		r = install_and_mount(g, choice->disk, &name, err);
	} else {
		name = xstrdup(choice->disk->name);
		r = mount_existing(g, choice->disk, err);
	}
	if (r == 0)
		*ret_name = take_ptr(name);
	return r;
}

static int mount_ram(const struct guest *g, char **ret_name, struct error *err)
{
	cleanup_free char *target = guest_path(g, "/mnt/" RAM_NAME);
	int r = file_mkdirs(target, 0755, err);

	if (r < 0)
		return r;
	if (mount("tmpfs", target, "tmpfs", 0, "mode=0755,size=90%") < 0)
		return error_set(err, errno, "mount memory at %s", target);
	*ret_name = xstrdup(RAM_NAME);
	return 0;
}

static void warn_in_motd(const struct guest *g, const char *what)
{
	cleanup_free char *motd = guest_read(g, "/etc/motd");
	cleanup_free char *text =
		xasprintf("%s\n\n  THE DATA DISK IS NOT USED: %s\n  What you store now is lost at power off.\n\n",
			  motd ? motd : "", what);

	(void)!guest_write(g, "/etc/motd", text, NULL);
}

// Whether one was meant to be the data disk, rather than none or somebody's file system.
static bool has_ours(const struct guest *g, const struct disk_facts *facts, size_t count)
{
	struct disk_choice choice = disk_choose(facts, count, g->options.install);

	return choice.use != DISK_NONE && (choice.use != DISK_MOUNT || is_labelled(choice.disk));
}

static size_t count_block_devices(const struct guest *g)
{
	cleanup_free char *path = guest_path(g, "/sys/class/block");
	cleanup_strv struct strv names = STRV_INIT;

	file_list(path, &names);
	return names.count;
}

// Looks at the disks again when there are more of them.
static void wait_for_usb(const struct guest *g, struct disk_facts **facts, size_t *count)
{
	int64_t start = clock_ms();
	size_t seen = 0; // once more at first: something may have come since the last look

	while (usb_is_there(g) && !has_ours(g, *facts, *count)) {
		size_t now = count_block_devices(g);

		if (now == seen && clock_ms() >= start + (usb_awaits_disk(g) ? USB_DISK_WAIT_MS : USB_WAIT_MS))
			return;
		clock_sleep_ms(100); // then its node and its partitions are there, too
		if (now == seen)
			continue;
		seen = now;
		disk_list_done(*facts, *count);
		disk_list(g, facts, count);
		disk_examine_all(g, *facts, *count);
	}
}

// A disk with our label is the first choice, whatever else there is: it is taken as soon as it is seen, and the others are looked
// at when there is time (storage_swap). Without one, all other drivers are waited for. Returns whether all disks were looked at.
static bool find_disks(const struct guest *g, struct disk_facts **facts, size_t *count)
{
	cleanup_free char *all_loaded = guest_path(g, MODULES_NOTE);
	bool complete = file_exists(all_loaded);
	struct error err = ERROR_INIT;

	disk_list(g, facts, count);
	if (disk_examine_labelled(*facts, *count))
		return false;
	if (!complete) {
		disk_list_done(*facts, *count);
		if (guest_write(g, MODULES_WANTED_NOTE, "", &err) < 0)
			log_warn("%s", err.msg); // the drivers come later then, and are waited for as long
		for (int64_t deadline = clock_ms() + DRIVERS_WAIT_MS;
		     !file_exists(all_loaded) && clock_ms() < deadline;)
			clock_sleep_ms(10);
		disk_list(g, facts, count);
	}
	disk_examine_all(g, *facts, *count);
	wait_for_usb(g, facts, count);
	return true;
}

// A driver that does not load is missed when there is a disk for it: the others go on.
static void load_disk_drivers(struct guest *g)
{
	struct error err = ERROR_INIT;

	if (modules_for_disks(g, &err) < 0)
		log_warn("drivers of disks: %s", err.msg);
}

// Of all disks, none holds the image that runs.
static bool misses_image(const struct disk_facts *facts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (facts[i].has_image)
			return false;
	return true;
}

int storage_mount(struct guest *g, struct error *err)
{
	cleanup_free char *name = NULL;
	struct error disk_err = ERROR_INIT;
	struct disk_facts *facts = NULL;
	size_t count = 0, meant;
	bool all = false;
	struct disk_choice choice = { .use = DISK_NONE, .why = "boot2docker.nodisk was given" };
	int r;

	if (!g->options.nodisk) {
		load_disk_drivers(g);
		all = find_disks(g, &facts, &count);
		if (!all && guest_write(g, OTHERS_NOTE, "", &disk_err) < 0)
			log_warn("%s", disk_err.msg);
		choice = disk_choose(facts, count, g->options.install);
	}
	meant = disk_log_others(facts, count, &choice, g->options.install);
	if (g->options.install && all && misses_image(facts, count)) {
		log_warn("boot2docker.install was given, but no disk holds the image that runs");
		meant++;
	}
	if (choice.use == DISK_NONE) {
		log_info("no data disk (%s): everything is kept in memory and lost at power off", choice.why);
		if (meant > 0)
			warn_in_motd(g, "a disk is there, but cannot be used (/boot.log says why).");
	} else if (mount_choice(g, &choice, &name, &disk_err) < 0) {
		bootlog_console("The data disk is not used, running from memory: %s", disk_err.msg);
		warn_in_motd(g, disk_err.msg);
	}
	disk_list_done(facts, count);
	r = name ? 0 : mount_ram(g, &name, err);
	if (r == 0)
		r = storage_link(g, name, err);
	return r < 0 ? r : guest_write(g, STORAGE_NOTE, name, err);
}

static const struct {
	const char *link, *target; // target below /mnt/NAME
	const char *old_target; // in the old layout, where /mnt/NAME/vm exists
	mode_t mode;
} links[] = {
	{ "/var/lib/docker", "var/lib/docker", "", 0710 },
	{ "/var/lib/boot2docker", "var/lib/boot2docker", "vm", 0755 },
	{ "/tmp", "tmp", "tmp", 01777 },
};

static int make_link(const struct guest *g, const char *target, const char *link, struct error *err)
{
	cleanup_free char *path = guest_path(g, link);
	int r = file_remove_tree(path, err);

	if (r < 0)
		return r;
	if (symlink(target, path) < 0)
		return error_set(err, errno, "link %s to %s", path, target);
	return 0;
}

static bool is_empty_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry = NULL;

	while (dir && (entry = readdir(dir)) && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
		;
	if (dir)
		closedir(dir);
	return dir && !entry;
}

// What is in it goes into a folder aside, which a process of its own removes: a full /tmp does not hold up the boot.
static void empty_tmp(const char *tmp)
{
	cleanup_free char *old = xasprintf("%s.old", tmp);
	pid_t pid;

	if (is_empty_folder(tmp) && !file_exists(old))
		return;
	if (rename(tmp, old) < 0 && !file_exists(old))
		return;
	pid = child_fork(NULL);
	if (pid == 0) {
		(void)!file_remove_tree(old, NULL);
		_exit(0);
	}
}

int storage_link(const struct guest *g, const char *name, struct error *err)
{
	cleanup_free char *old_layout = xasprintf("%s/mnt/%s/vm", g->root, name);
	cleanup_free char *tmp = xasprintf("%s/mnt/%s/tmp", g->root, name);
	cleanup_free char *etc = guest_path(g, GUEST_DATA "/etc/docker");
	bool old = file_exists(old_layout);
	int r;

	empty_tmp(tmp);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		cleanup_free char *target = xasprintf("/mnt/%s/%s", name, old ? links[i].old_target : links[i].target);
		cleanup_free char *folder = guest_path(g, target);
		bool is_new = !file_exists(folder);

		r = file_mkdirs(folder, 0755, err);
		if (r < 0)
			return r;
		if (is_new && chmod(folder, links[i].mode) < 0)
			return error_set(err, errno, "set the mode of %s", folder);
		r = make_link(g, target, links[i].link, err);
		if (r < 0)
			return r;
	}
	// With a root of their own the links lead nowhere; then the folder is made where they would lead.
	if (*g->root) {
		free(etc);
		etc = xasprintf("%s/mnt/%s/%s/etc/docker", g->root, name, old ? "vm" : "var/lib/boot2docker");
	}
	r = file_mkdirs(etc, 0755, err);
	return r < 0 ? r : make_link(g, GUEST_DATA "/etc/docker", "/etc/docker", err);
}

static size_t swap_on_partitions(const struct guest *g)
{
	cleanup_free char *others = guest_path(g, OTHERS_NOTE);
	struct disk_facts *facts;
	size_t count, used = 0;

	disk_list(g, &facts, &count);
	disk_examine_all(g, facts, count);
	if (file_exists(others)) // the data disk is in use, and so not among what is looked at
		(void)disk_log_others(facts, count, &(struct disk_choice){ .use = DISK_NONE }, g->options.install);
	for (size_t i = 0; i < count; i++) {
		if (!facts[i].type || strcmp(facts[i].type, "swap") != 0 || facts[i].read_only)
			continue;
		if (swapon(facts[i].path, SWAP_FLAG_DISCARD) == 0)
			used++;
		else
			log_warn("swap on %s: %s", facts[i].path, strerror(errno));
	}
	disk_list_done(facts, count);
	return used;
}

// Half of the memory, which compresses to about a third of that.
static int swap_on_zram(const struct guest *g, struct error *err)
{
	static const char *const modprobe[] = { "/sbin/modprobe", "zram", NULL };
	cleanup_free char *attribute = guest_path(g, "/sys/block/zram0/disksize");
	cleanup_free char *device = guest_path(g, "/dev/zram0");
	uint64_t size = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
	cleanup_free char *text = xasprintf("%llu", (unsigned long long)size);
	int r = proc_output(modprobe, NULL, err);

	if (r == 0)
		r = file_write_existing(attribute, text, err);
	if (r == 0)
		r = disk_write_swap(device, 0, size, "zram", err);
	if (r < 0)
		return r;
	return swapon(device, SWAP_FLAG_PREFER | 100) < 0 ? error_set(err, errno, "swap on %s", device) : 0;
}

int storage_swap(struct guest *g, struct error *err)
{
	size_t used = g->options.nodisk ? 0 : swap_on_partitions(g);

	return used > 0 ? 0 : swap_on_zram(g, err);
}
