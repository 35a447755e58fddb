// SPDX-License-Identifier: Apache-2.0
// Kernel modules by what the hardware says (the modalias files of sysfs), through kmod's modprobe.
#include "modules.h"

#include "engine.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#define ROUNDS_MAX 4 // bus -> controller -> disk is three
#define IDLE_WAIT_MS 20000

bool modules_is_alias(const char *text)
{
	if (!*text || *text == '-' || strlen(text) > 512)
		return false;
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return true;
}

static void scan_device(int devices, const char *name, struct strv *seen, struct strv *ret_new)
{
	cleanup_free char *path = xasprintf("%s/modalias", name);
	cleanup_close int fd = openat(devices, path, O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (len <= 0)
		return;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (!modules_is_alias(text) || strv_contains(seen, text))
		return;
	strv_push(seen, text);
	strv_push(ret_new, text);
}

static bool has_driver(int devices, const char *name)
{
	cleanup_free char *path = xasprintf("%s/driver", name);

	return faccessat(devices, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

// Returns how many devices there are. `without_driver`: only what no driver has yet is taken.
static size_t scan_bus(const char *path, bool without_driver, struct strv *seen, struct strv *ret_new)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (!without_driver || !has_driver(dirfd(dir), entry->d_name))
			scan_device(dirfd(dir), entry->d_name, seen, ret_new);
	}
	closedir(dir);
	return count;
}

void modules_scan(const struct guest *g, struct strv *seen, struct strv *ret_new)
{
	cleanup_free char *buses = guest_path(g, "/sys/bus");
	cleanup_free char *input = guest_path(g, "/sys/class/input");
	DIR *dir = opendir(buses);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *devices = xasprintf("%s/%s/devices", buses, entry->d_name);

		if (entry->d_name[0] != '.')
			scan_bus(devices, false, seen, ret_new);
	}
	if (dir)
		closedir(dir);
	scan_bus(input, false, seen, ret_new); // input devices are on no bus
}

int modules_load(const struct strv *aliases, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct proc_spec spec = { .timeout_ms = 30000 };
	int r;

	if (aliases->count == 0)
		return 0;
	strv_push(&argv, "/sbin/modprobe");
	strv_push(&argv, "-abq");
	strv_push_all(&argv, (const char *const *)aliases->items);
	spec.argv = (const char *const *)strv_argv(&argv);
	// Exit status 1: some have no module, which is what most devices are like.
	r = proc_run(&spec, err);
	return r < 0 ? r : 0;
}

static bool attribute_begins(int devices, const char *name, const char *attribute, const char *start)
{
	cleanup_free char *path = xasprintf("%s/%s", name, attribute);
	cleanup_close int fd = openat(devices, path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strncmp(text, start, strlen(start)) == 0;
}

// What the boot waits for beside disks: network controllers (PCI class 02, PCI Code and ID Assignment Specification), and the
// device by which VirtualBox tells of its shares (80ee:cafe).
static bool is_wanted_early(int devices, const char *name)
{
	return attribute_begins(devices, name, "class", "0x02") ||
	       (attribute_begins(devices, name, "vendor", "0x80ee") &&
		attribute_begins(devices, name, "device", "0xcafe"));
}

// A power button that is pressed before it has a driver is not heard (ACPI 6.5, section 4.8.2.2.1: that of the fixed hardware, and
// PNP0C0C).
static bool is_power_button(int devices, const char *name)
{
	(void)devices;
	return strncmp(name, "LNXPWRBN", 8) == 0 || strncmp(name, "PNP0C0C", 7) == 0;
}

// The devices of a bus that are wanted and have no driver.
static void scan_wanted(const struct guest *g, const char *bus, bool (*is_wanted)(int devices, const char *name),
			struct strv *seen, struct strv *ret_new)
{
	cleanup_free char *path = xasprintf("%s/sys/bus/%s/devices", g->root, bus);
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (is_wanted(dirfd(dir), entry->d_name) && !has_driver(dirfd(dir), entry->d_name))
			scan_device(dirfd(dir), entry->d_name, seen, ret_new);
	closedir(dir);
}

// In module names - and _ are the same.
static char *module_name(const char *text, size_t len)
{
	char *name = xstrndup(text, len);

	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

// Names of what is built into the kernel, from modules.builtin: lines such as "kernel/fs/ext4/ext4.ko" (Documentation/kbuild/
// kbuild.rst). No such file: none.
static void read_builtin(const struct guest *g, struct strv *ret)
{
	struct utsname kernel;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;

	uname(&kernel);
	cleanup_free char *path = xasprintf("%s/lib/modules/%s/modules.builtin", g->root, kernel.release);
	if (file_read(path, 1 << 20, &text, NULL) < 0)
		return;
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *base = path_base(lines.items[i]);
		cleanup_free char *name = module_name(base, strcspn(base, "."));

		strv_push(ret, name);
	}
}

void modules_drop_builtin(const struct guest *g, struct strv *names)
{
	cleanup_strv struct strv builtin = STRV_INIT, rest = STRV_INIT;

	if (names->count == 0)
		return;
	read_builtin(g, &builtin);
	for (size_t i = 0; i < names->count; i++) {
		cleanup_free char *name = module_name(names->items[i], strlen(names->items[i]));

		if (!strv_contains(&builtin, name))
			strv_push(&rest, names->items[i]);
	}
	strv_done(names);
	*names = rest;
	rest = (struct strv)STRV_INIT;
}

static bool knows_ext4(const struct guest *g)
{
	cleanup_free char *known = guest_read(g, "/proc/filesystems");

	return known && strstr(known, "\text4\n");
}

int modules_for_disks(struct guest *g, struct error *err)
{
	// virtio's numbers of block devices and SCSI hosts (Virtual I/O Device 1.2, section 5).
	static const char *const kinds[] = { "virtio:d00000002v", "virtio:d00000008v" };
	cleanup_free char *virtio = guest_path(g, "/sys/bus/virtio/devices");
	cleanup_strv struct strv seen = STRV_INIT, all = STRV_INIT, names = STRV_INIT;

	if (scan_bus(virtio, true, &seen, &all) > 0 && !knows_ext4(g))
		strv_push(&names, "ext4"); // the file system that the disk most likely has
	for (size_t i = 0; i < all.count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (strncmp(all.items[i], kinds[k], strlen(kinds[k])) == 0)
				strv_push(&names, all.items[i]);
	modules_drop_builtin(g, &names);
	return modules_load(&names, err);
}

int modules_for_virtio(struct guest *g, struct error *err)
{
	cleanup_free char *virtio = guest_path(g, "/sys/bus/virtio/devices");
	cleanup_free char *firmware = guest_path(g, "/sys/bus/acpi/devices/QEMU0002:00");
	cleanup_free char *loaded = guest_path(g, "/sys/firmware/qemu_fw_cfg");
	cleanup_strv struct strv seen = STRV_INIT, aliases = STRV_INIT;

	scan_bus(virtio, true, &seen, &aliases);
	scan_wanted(g, "pci", is_wanted_early, &seen, &aliases);
	size_t before = aliases.count;
	scan_wanted(g, "acpi", is_power_button, &seen, &aliases);
	if (aliases.count > before)
		strv_push(&aliases, "evdev"); // by which PID 1 hears of it
	if (file_exists(firmware) && !file_exists(loaded))
		strv_push(&aliases, "qemu_fw_cfg");
	modules_drop_builtin(g, &aliases);
	return modules_load(&aliases, err);
}

static int load_in_rounds(struct guest *g, struct error *err)
{
	cleanup_strv struct strv seen = STRV_INIT;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		cleanup_strv struct strv fresh = STRV_INIT;
		int r;

		modules_scan(g, &seen, &fresh);
		if (fresh.count == 0)
			return 0;
		log_debug("modules: round %d, %zu new aliases", round + 1, fresh.count);
		r = modules_load(&fresh, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void wait_until_idle(const struct guest *g)
{
	cleanup_free char *wanted = guest_path(g, MODULES_WANTED_NOTE);
	cleanup_free char *engine = guest_path(g, ENGINE_NOTE);
	int64_t deadline = clock_ms() + IDLE_WAIT_MS;

	while (!file_exists(wanted) && !file_exists(engine) && clock_ms() < deadline)
		clock_sleep_ms(10);
}

int modules_for_hardware(struct guest *g, struct error *err)
{
	wait_until_idle(g);

	int r = load_in_rounds(g, err);
	int noted = guest_write(g, MODULES_NOTE, "", r < 0 ? NULL : err);

	return r < 0 ? r : noted;
}

static void read_list(const char *path, struct strv *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	struct error err = ERROR_INIT;

	if (file_read(path, 64 * 1024, &text, &err) < 0) {
		log_warn("%s", err.msg);
		return;
	}
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		char *line = lines.items[i];

		line[strcspn(line, " \t\r#")] = '\0';
		if (modules_is_alias(line))
			strv_push(ret, line);
	}
}

int modules_wanted(struct guest *g, struct error *err)
{
	cleanup_free char *folder = guest_path(g, "/etc/modules-load.d");
	cleanup_strv struct strv names = STRV_INIT, modules = STRV_INIT;
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return error_set(err, errno, "open %s", folder);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strv_push(&names, entry->d_name);
	closedir(dir);
	strv_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(folder, names.items[i]);

		read_list(path, &modules);
	}
	modules_drop_builtin(g, &modules);
	return modules_load(&modules, err);
}
