// SPDX-License-Identifier: Apache-2.0
// From the initramfs into the real root.
//
// Theory of operation
//
// The initramfs holds this program, a list of kernel modules that mounting needs, and the layers: squashfs images, in name
// order, the first on top. Each is mounted through a loop device; an overlay joins them below a tmpfs, which takes all that is
// written. The mounts of the kernel's file systems move along, the overlay is moved over "/", and this process changes its root
// to it. The layers' files stay in the (now unreachable) initramfs: the system runs from memory, the boot medium can go.
//
// A layer NAME.squashfs that is empty is on a disk whose serial number is "layer-NAME" (see HACKING.md, "What the host hands to
// a machine"): it takes no memory, and is read only as far as it is used.
#include "layers.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/strv.h"
#include "loop_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NEW_ROOT "/newroot"
#define WRITABLE "/writable" // the tmpfs with the overlay's upper and work folders
#define LOWER "/lower"
#define SUFFIX ".squashfs"
#define DISK_WAIT_MS 10000

static int insert_module(const char *path, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open kernel module %s", path);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return error_set(err, errno, "insert kernel module %s", path);
	return 0;
}

// A module that does not load is only logged: whether it was needed shows when the layers are mounted.
static void insert_boot_modules(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv paths = STRV_INIT;
	struct error err = ERROR_INIT;

	if (file_read("/boot/modules", 64 * 1024, &text, &err) < 0) {
		log_warn("%s; going on with what is built into the kernel", err.msg);
		return;
	}
	strv_split(&paths, buf_str(&text), "\n");
	for (size_t i = 0; i < paths.count; i++)
		if (insert_module(paths.items[i], &err) < 0)
			log_error("%s", err.msg);
}

// Says what the kernel cannot do, rather than leaving a bare ENODEV.
static int explain_mount(const char *type, int code, const char *what, struct error *err)
{
	cleanup_buf struct buf known = BUF_INIT;
	cleanup_free char *word = xasprintf("\t%s\n", type);

	if (code == ENODEV && file_read("/proc/filesystems", 64 * 1024, &known, NULL) == 0 &&
	    !strstr(buf_str(&known), word))
		return error_say(err, ENODEV, "%s: this kernel has no %s (add its module to /boot/modules)", what,
				 type);
	return error_set(err, code, "%s", what);
}

// Whether the disk of this name has this serial number.
static bool has_serial(const char *disk, const char *serial)
{
	cleanup_free char *path = xasprintf("/sys/class/block/%s/serial", disk);
	cleanup_buf struct buf text = BUF_INIT;

	return file_read(path, 4096, &text, NULL) == 0 && strcmp(buf_str(&text), serial) == 0;
}

static char *find_disk(const char *serial)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;
	char *found = NULL;

	while (dir && !found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && has_serial(entry->d_name, serial))
			found = xasprintf("/dev/%s", entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

static int wait_for_disk(const char *layer, char **ret_device, struct error *err)
{
	cleanup_free char *serial = xasprintf("layer-%.*s", (int)(strlen(layer) - strlen(SUFFIX)), layer);
	int64_t deadline = clock_ms() + DISK_WAIT_MS;

	while (!(*ret_device = find_disk(serial))) {
		if (clock_ms() >= deadline)
			return error_say(err, ENODEV, "no disk has the serial number %s, so the layer %s is missing",
					 serial, layer);
		clock_sleep_ms(10);
	}
	return 0;
}

static int attach_layer(const char *name, char **ret_device, int *ret_fd, struct error *err)
{
	cleanup_free char *image = xasprintf("/layers/%s", name);
	struct stat st;

	if (stat(image, &st) < 0)
		return error_set(err, errno, "read layer %s", image);
	return st.st_size > 0 ? loop_device_attach(image, ret_device, ret_fd, err)
			      : wait_for_disk(name, ret_device, err);
}

static int mount_layer(const char *name, struct buf *lower, struct error *err)
{
	cleanup_free char *target = xasprintf(LOWER "/%s", name);
	cleanup_free char *what = xasprintf("mount layer %s", name);
	cleanup_free char *device = NULL;
	cleanup_close int loop = -1;
	int r = attach_layer(name, &device, &loop, err);

	if (r < 0)
		return r;
	mkdir(target, 0755);
	if (mount(device, target, "squashfs", MS_RDONLY | MS_NODEV, NULL) < 0)
		return explain_mount("squashfs", errno, what, err);
	buf_printf(lower, "%s%s", lower->len ? ":" : "", target);
	return 0;
}

static bool is_layer(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int list_layers(struct strv *ret, struct error *err)
{
	DIR *dir = opendir("/layers");
	struct dirent *entry;

	if (!dir)
		return error_set(err, errno, "open /layers (is this initrd ours?)");
	while ((entry = readdir(dir)))
		if (is_layer(entry->d_name))
			strv_push(ret, entry->d_name);
	closedir(dir);
	if (ret->count == 0)
		return error_say(err, ENOENT, "no *.squashfs in /layers; build the image again");
	strv_sort(ret);
	return 0;
}

static int mount_overlay(const char *lower, struct error *err)
{
	cleanup_free char *options =
		xasprintf("lowerdir=%s,upperdir=" WRITABLE "/upper,workdir=" WRITABLE "/work", lower);

	mkdir(WRITABLE, 0755);
	if (mount("tmpfs", WRITABLE, "tmpfs", MS_NODEV, "mode=0755,size=90%") < 0)
		return error_set(err, errno, "mount a tmpfs for what is written");
	mkdir(WRITABLE "/upper", 0755);
	mkdir(WRITABLE "/work", 0755);
	mkdir(NEW_ROOT, 0755);
	if (mount("overlay", NEW_ROOT, "overlay", 0, options) < 0)
		return explain_mount("overlay", errno, "join the layers", err);
	return 0;
}

static int move_root(struct error *err)
{
	static const char *const kept[] = { "/proc", "/sys", "/dev", "/run" };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		cleanup_free char *target = xasprintf(NEW_ROOT "%s", kept[i]);

		mkdir(target, 0755);
		if (mount(kept[i], target, NULL, MS_MOVE, NULL) < 0)
			return error_set(err, errno, "move %s into the new root", kept[i]);
	}
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_set(err, errno, "move into the new root");
	return 0;
}

int layers_enter(struct guest *g, struct error *err)
{
	cleanup_strv struct strv layers = STRV_INIT;
	cleanup_buf struct buf lower = BUF_INIT;
	int r;

	(void)g; // the root itself changes here: there is no prefix
	insert_boot_modules();
	r = list_layers(&layers, err);
	if (r < 0)
		return r;
	mkdir(LOWER, 0755);
	for (size_t i = 0; i < layers.count; i++) {
		r = mount_layer(layers.items[i], &lower, err);
		if (r < 0)
			return r;
	}
	r = mount_overlay(buf_str(&lower), err);
	if (r < 0)
		return r;
	return move_root(err);
}
