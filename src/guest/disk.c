// SPDX-License-Identifier: Apache-2.0
// The data disk: looking at block devices and choosing.
//
// Theory of operation
//
// Looking (disk_examine) and choosing (disk_choose) are apart: the choice is a pure function over facts, and the tests run it
// over image files. Signatures are libblkid's business. The order of the choice is a contract; what protects foreign data is
// that only two kinds of disk are ever prepared: one that carries the magic as its first bytes, which nothing else writes, and
// nothing that libblkid knows (somebody may have used the disk after all, and not every tool writes over a disk's start); and
// a disk of VMware's that is blank by three judges (no signature, no partition table, 256 KiB of zeros). Both only as whole
// disks, and only when they could be read without an error. What cannot be written is no data disk: it is mounted nowhere.
//
// A third kind is partly ours: the disk that our own ISO was written to. It is recognised by the ISO's date, which is that of
// the running system's making (/etc/os-release), and room behind it is used when the person who booted asked for that
// (disk_install.c).
#include "disk.h"

#include "disk_install.h"
#include "ext4.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/strv.h"
#include "osrelease.h"
#include "tar.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void disk_facts_done(struct disk_facts *f)
{
	free(f->name);
	free(f->path);
	free(f->type);
	free(f->label);
	free(f->uuid);
	free(f->table);
	free(f->no_room);
	*f = (struct disk_facts){ .name = NULL };
}

static char *probe_value(blkid_probe probe, const char *key)
{
	const char *value;

	return blkid_probe_lookup_value(probe, key, &value, NULL) == 0 ? xstrdup(value) : NULL;
}

// 0 or -errno. An ambivalent result (several signatures) counts as a signature without a file system.
static int examine_signatures(struct disk_facts *f, int fd, struct error *err)
{
	blkid_probe probe = blkid_new_probe();
	int r = -1;

	if (!probe)
		return error_set(err, ENOMEM, "probe %s", f->path);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
							 BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(probe, 1);
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0)
		r = blkid_do_safeprobe(probe);
	f->signature = r == 0 || r == -2;
	if (r == 0) {
		f->type = probe_value(probe, "TYPE");
		f->label = probe_value(probe, "LABEL");
		f->uuid = probe_value(probe, "UUID");
		f->table = probe_value(probe, "PTTYPE");
	}
	blkid_free_probe(probe);
	return r == -1 ? error_set(err, EIO, "look for signatures on %s", f->path) : 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
	return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

// Reads on until there are `want` bytes of the disk's start, or its end is reached.
static int read_start(int fd, const char *path, size_t want, struct buf *ret, struct error *err)
{
	buf_reserve(ret, want);
	while (ret->len < want) {
		char block[DISK_MAGIC_LEN];
		ssize_t len = pread(fd, block, sizeof(block), (off_t)ret->len);

		if (len < 0)
			return error_set(err, errno, "read %s", path);
		if (len == 0)
			break;
		buf_add(ret, block, (size_t)len);
	}
	return 0;
}

static int open_disk(const struct disk_facts *f)
{
	return open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_EXCL);
}

int disk_examine(struct disk_facts *f, struct error *err)
{
	cleanup_close int fd = open_disk(f);
	cleanup_buf struct buf start = BUF_INIT;
	off_t end;
	int r;

	f->looked_at = true;
	if (fd < 0 && errno == EBUSY) // mounted: a layer of ours, or the data disk when swap is looked for
		return 0;
	if (fd < 0)
		return error_set(err, errno, "open %s", f->path);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return error_set(err, errno, "size of %s", f->path);
	f->size = (uint64_t)end;
	r = read_start(fd, f->path, DISK_MAGIC_LEN, &start, err);
	if (r == 0)
		r = examine_signatures(f, fd, err);
	if (r == 0 && !f->signature) // what has one is not blank, whatever it begins with
		r = read_start(fd, f->path, DISK_BLANK_LEN, &start, err);
	if (r < 0)
		return r;
	f->magic = start.len >= DISK_MAGIC_LEN && tar_has_magic(start.data, DISK_MAGIC_LEN);
	f->zero = start.len == DISK_BLANK_LEN && all_zero((const uint8_t *)start.data, start.len);
	f->readable = true;
	return 0;
}

static bool is_data_type(const char *type)
{
	return type && (strcmp(type, "ext4") == 0 || strcmp(type, "btrfs") == 0);
}

static bool is_labelled(const struct disk_facts *f)
{
	return is_data_type(f->type) && f->label && strcmp(f->label, DISK_LABEL) == 0;
}

static bool has_label(const struct disk_facts *f)
{
	return is_labelled(f) && !f->read_only;
}

static bool has_magic(const struct disk_facts *f)
{
	return f->magic && !f->signature && !f->partition && !f->read_only;
}

static bool is_blank_vmware(const struct disk_facts *f)
{
	return f->vmware && f->zero && !f->signature && !f->partition && !f->read_only;
}

static bool is_file_system(const struct disk_facts *f)
{
	return is_data_type(f->type) && !f->read_only;
}

static bool has_room(const struct disk_facts *f)
{
	return f->has_image && !f->no_room;
}

struct disk_choice disk_choose(const struct disk_facts *facts, size_t count, bool install)
{
	static const struct {
		bool (*fits)(const struct disk_facts *f);
		enum disk_use use;
		const char *why;
	} order[] = {
		{ has_label, DISK_MOUNT, "its label is " DISK_LABEL },
		{ has_room, DISK_INSTALL, "boot2docker.install was given, and it holds this image" },
		{ has_magic, DISK_PREPARE, "it asks to be formatted" },
		{ is_blank_vmware, DISK_PREPARE, "it is a blank disk of VMware" },
		{ is_file_system, DISK_MOUNT, "it is the first ext4 or btrfs" },
	};

	for (size_t o = 0; o < ARRAY_SIZE(order); o++)
		for (size_t i = 0; i < count; i++)
			if (facts[i].readable && (install || order[o].use != DISK_INSTALL) && order[o].fits(&facts[i]))
				return (struct disk_choice){ .use = order[o].use,
							     .disk = &facts[i],
							     .why = order[o].why };
	return (struct disk_choice){ .use = DISK_NONE, .why = "no disk is ours" };
}

char *disk_of_partition(const struct disk_facts *f)
{
	size_t len = strlen(f->name);

	if (f->partition)
		while (len > 1 && isdigit((unsigned char)f->name[len - 1]))
			len--;
	if (f->partition && len > 2 && f->name[len - 1] == 'p' && isdigit((unsigned char)f->name[len - 2]))
		len--;
	return xasprintf("%.*s", (int)len, f->name);
}

// Why a disk that was to be a data disk is none; NULL: it was not to be one.
static const char *why_not_ours(const struct disk_facts *f, bool install)
{
	if (f->has_image && install)
		return f->no_room ? f->no_room : "boot2docker.install was given, but another disk came first";
	if (f->has_lost_data)
		return "it has data behind this image; to name it in the partition table, boot with "
		       "boot2docker.install";
	if (is_labelled(f))
		return f->read_only ? "its label is " DISK_LABEL ", but it is read-only"
				    : "its label is " DISK_LABEL ", but another disk with that label came first";
	if (f->magic && f->partition)
		return "it asks to be formatted, but it is a partition: only whole disks are";
	if (f->magic && f->read_only)
		return "it asks to be formatted, but it is read-only";
	if (f->magic)
		return f->signature ? "it asks to be formatted, but it is in use (clear it with wipefs -a if it is not)"
				    : "it asks to be formatted, but another disk came first";
	return NULL;
}

static char *what_it_holds(const struct disk_facts *f)
{
	if (f->type)
		return xasprintf("%s%s%s%s", f->type, f->label ? " named \"" : "", f->label ? f->label : "",
				 f->label ? "\"" : "");
	if (f->table)
		return xasprintf("a partition table (%s)", f->table);
	if (f->signature)
		return xstrdup("several things at once");
	return xstrdup(f->zero ? "nothing, and does not ask to be formatted" : "what we do not know");
}

// Swap is used later; a disk is spoken for by its partitions.
static bool goes_without_saying(const struct disk_facts *f, const struct disk_choice *choice)
{
	if (f == choice->disk || !f->readable) // the reason why it cannot be read is in the log already
		return true;
	if (f->type && strcmp(f->type, "swap") == 0)
		return true;
	if (f->partition || !f->table || !choice->disk || !choice->disk->partition)
		return false;
	cleanup_free char *disk = disk_of_partition(choice->disk);

	return strcmp(f->name, disk) == 0;
}

size_t disk_log_others(const struct disk_facts *facts, size_t count, const struct disk_choice *choice, bool install)
{
	size_t meant = 0;

	for (size_t i = 0; i < count; i++) {
		const struct disk_facts *f = &facts[i];
		const char *why = why_not_ours(f, install);

		if (goes_without_saying(f, choice))
			continue;
		cleanup_free char *holds = what_it_holds(f);

		if (why)
			log_warn("disk %s is left alone: %s; it holds %s", f->name, why, holds);
		else
			log_info("disk %s is left alone: it holds %s", f->name, holds);
		meant += why != NULL;
	}
	return meant;
}

// sd*, vd*, nvme*, xvd*, mmcblk*, hd*: what is a disk to people.
static bool is_candidate(const char *name)
{
	static const char *const others[] = { "loop", "ram", "zram", "fd", "sr", "nbd", "dm-", "md" };

	if (name[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strncmp(name, others[i], strlen(others[i])) == 0)
			return false;
	return true;
}

static char *block_attribute(const struct guest *g, const char *name, const char *attribute)
{
	cleanup_free char *path = xasprintf("/sys/class/block/%s/%s", name, attribute);
	char *text = guest_read(g, path);

	return text ? text : xstrdup("");
}

static bool is_vmware(const struct guest *g, const char *name)
{
	cleanup_free char *vendor = block_attribute(g, name, "device/vendor");
	cleanup_free char *model = block_attribute(g, name, "device/model");

	vendor[strcspn(vendor, " ,")] = '\0';
	return strcmp(vendor, "VMware") == 0 &&
	       (strncmp(model, "VMware Virtual S", 16) == 0 || strncmp(model, "Virtual disk", 12) == 0);
}

static bool holds_image(const struct disk_facts *f, const char *image)
{
	return !f->partition && f->type && strcmp(f->type, "iso9660") == 0 && f->uuid && strcmp(f->uuid, image) == 0;
}

static void look_behind_image(struct disk_facts *f, bool is_only_one)
{
	struct disk_install plan;
	struct error err = ERROR_INIT;

	if (!is_only_one)
		f->no_room = xstrdup("it holds this image, but so does another disk: take one of them away");
	else if (f->read_only)
		f->no_room = xstrdup("it holds this image, but is read-only");
	else if (disk_install_plan(f->path, &plan, &err) < 0)
		f->no_room = xasprintf("it holds this image, but %s", err.msg);
	else
		f->has_lost_data = plan.has_data;
}

// `image`: the date of our image.
static void recognise_image(struct disk_facts *facts, size_t count, const char *image)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		facts[i].has_image = holds_image(&facts[i], image);
		found += facts[i].has_image;
	}
	for (size_t i = 0; i < count; i++)
		if (facts[i].has_image)
			look_behind_image(&facts[i], found == 1);
}

static int by_name(const void *a, const void *b)
{
	const struct disk_facts *left = a, *right = b;

	return strverscmp(left->name, right->name);
}

static void add_device(const struct guest *g, const char *name, struct disk_facts **facts, size_t *count)
{
	cleanup_free char *read_only = block_attribute(g, name, "ro");
	cleanup_free char *size = block_attribute(g, name, "size");
	cleanup_free char *partition = block_attribute(g, name, "partition");
	struct disk_facts f = { .name = xstrdup(name), .path = xasprintf("%s/dev/%s", g->root, name) };
	struct error err = ERROR_INIT;

	f.read_only = strcmp(read_only, "1") == 0;
	if (*partition && number_parse_int(partition, 1, 65535, &f.partition, &err) < 0)
		f.partition = -1;
	f.vmware = is_vmware(g, name);
	f.looked_at = strcmp(size, "0") == 0; // a drive without a medium
	*facts = xreallocarray(*facts, *count + 1, sizeof(**facts));
	(*facts)[(*count)++] = f;
}

void disk_list(const struct guest *g, struct disk_facts **ret, size_t *ret_count)
{
	cleanup_free char *path = guest_path(g, "/sys/class/block");
	DIR *dir = opendir(path);
	struct dirent *entry;

	*ret = NULL;
	*ret_count = 0;
	while (dir && (entry = readdir(dir)))
		if (is_candidate(entry->d_name))
			add_device(g, entry->d_name, ret, ret_count);
	if (dir)
		closedir(dir);
	if (*ret_count > 1)
		qsort(*ret, *ret_count, sizeof(**ret), by_name);
}

static void examine_one(struct disk_facts *f)
{
	struct error err = ERROR_INIT;

	if (!f->looked_at && disk_examine(f, &err) < 0)
		log_warn("disk %s is left alone: %s", f->name, err.msg);
}

void disk_examine_all(const struct guest *g, struct disk_facts *facts, size_t count)
{
	cleanup_free char *image = osrelease_get(g, "IMAGE_VERSION");

	for (size_t i = 0; i < count; i++)
		examine_one(&facts[i]);
	if (image)
		recognise_image(facts, count, image);
}

// The fields of btrfs' superblock (the kernel's include/uapi/linux/btrfs_tree.h, struct btrfs_super_block).
static bool is_btrfs_with_label(int fd, const char *label)
{
	enum { AT = 64 * 1024, MAGIC = 0x40, LABEL = 0x12b, LEN = 1024 };
	uint8_t block[LEN];

	return pread(fd, block, sizeof(block), AT) == (ssize_t)sizeof(block) &&
	       memcmp(block + MAGIC, "_BHRfS_M", 8) == 0 && memcmp(block + LABEL, label, strlen(label) + 1) == 0;
}

static bool seems_labelled(const struct disk_facts *f)
{
	cleanup_close int fd = open_disk(f);
	struct ext4_facts ext4;

	if (fd < 0)
		return false;
	return ext4_read(fd, &ext4) ? strcmp(ext4.label, DISK_LABEL) == 0 : is_btrfs_with_label(fd, DISK_LABEL);
}

bool disk_examine_labelled(struct disk_facts *facts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (facts[i].looked_at || facts[i].read_only || !seems_labelled(&facts[i]))
			continue;
		examine_one(&facts[i]);
		if (facts[i].readable && has_label(&facts[i]))
			return true;
	}
	return false;
}

void disk_list_done(struct disk_facts *facts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		disk_facts_done(&facts[i]);
	free(facts);
}
