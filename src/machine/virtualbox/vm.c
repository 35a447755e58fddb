// SPDX-License-Identifier: Apache-2.0
// Finding a machine's VM, and making it; see internal.h.
#include "internal.h"

#include "../key.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { DISK_TIMEOUT_MS = 10 * 60 * 1000, CPUS_MAX = 32 };

static const char CONTROLLER[] = "SATA";

// --- finding ---

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

// The VM's settings lie in the machine's folder, whatever links lead to it.
static bool is_ours(const struct machine *m, const char *info)
{
	cleanup_buf struct buf settings = BUF_INIT;
	cleanup_free char *real = realpath(m->dir, NULL);

	if (!info_get(info, "CfgFile", &settings))
		return false;
	return is_below(buf_str(&settings), m->dir) || (real && is_below(buf_str(&settings), real));
}

int vm_find(const struct machine *m, int timeout_ms, struct buf *ret_info, struct error *err)
{
	const char *words[] = { "showvminfo", m->name, "--machinereadable", NULL };
	int r = manage_run(&(struct manage){ .words = words, .timeout_ms = timeout_ms, .output = ret_info }, err);

	if (r == -ENODEV) {
		error_clear(err);
		return 0;
	}
	return r < 0 ? r : is_ours(m, buf_str(ret_info));
}

static int no_vm(const struct machine *m, struct error *err)
{
	return error_say(err, ENODEV,
			 "VirtualBox has no VM of machine \"%s\" (any more); \"%s rm %s\" removes what is left of it",
			 m->name, m->ctx->program, m->name);
}

int vm_require(const struct machine *m, int timeout_ms, struct buf *ret_info, struct error *err)
{
	int r = vm_find(m, timeout_ms, ret_info, err);

	if (r < 0)
		return r;
	return r ? 0 : no_vm(m, err);
}

// --- making ---

// VBoxManage takes a stream that is shorter than the disk.
static int make_disk(const struct machine *m, struct error *err)
{
	cleanup_free char *path = machine_path(m, "disk.vmdk");
	cleanup_free char *size = xasprintf("%lld", (long long)json_int_at(m->config, "Driver.DiskSize", 0) << 20);
	cleanup_buf struct buf magic = BUF_INIT;
	const char *words[] = { "convertfromraw", "stdin", path, size, "--format", "VMDK", NULL };

	log_info("(%s) Creating disk image...", m->name);
	int r = key_magic_tar(m, &magic, err);
	if (r < 0)
		return r;
	return manage_run(
		&(struct manage){
			.words = words, .input = magic.data, .input_len = magic.len, .timeout_ms = DISK_TIMEOUT_MS },
		err);
}

// The disk of an old VM: its controller was called SATA, the disk sat in the second port.
static int clone_disk(const struct machine *m, const char *from, const char *info, struct error *err)
{
	cleanup_free char *path = machine_path(m, "disk.vmdk");
	cleanup_buf struct buf disk = BUF_INIT;
	const char *words[] = { "clonemedium", "disk", NULL, path, "--format", "VMDK", NULL };

	if (!info_get(info, "SATA-1-0", &disk) || strcmp(buf_str(&disk), "none") == 0)
		return error_say(err, ENOENT,
				 "the VM \"%s\" has no disk at port 1 of its SATA controller: it is not one of "
				 "boot2docker's",
				 from);
	words[2] = buf_str(&disk);
	log_info("(%s) Copying the disk of the VM \"%s\"...", m->name, from);
	return manage_run(&(struct manage){ .words = words, .timeout_ms = DISK_TIMEOUT_MS }, err);
}

static void import_number(const struct machine *m, const char *info, const char *key, const char *field)
{
	cleanup_buf struct buf text = BUF_INIT;
	int number;

	if (info_get(info, key, &text) && number_parse_int(buf_str(&text), 1, 1 << 24, &number, NULL) == 0)
		json_put(m->config, field, json_integer(number));
}

static int import_key(const struct machine *m, struct error *err)
{
	static const char *const endings[] = { "", ".pub" };
	const char *home = getenv("HOME");
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings) && r == 0; i++) {
		cleanup_free char *from = xasprintf("%s/.ssh/id_boot2docker%s", home ? home : "", endings[i]);
		cleanup_free char *to = xasprintf("%s/id_rsa%s", m->dir, endings[i]);
		r = file_copy(from, to, i ? 0644 : 0600, err);
	}
	return r;
}

static int import_vm(const struct machine *m, const char *from, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;

	int r = manage_output(&info, err, "showvminfo", from, "--machinereadable");
	if (r < 0)
		return r;
	if (info_state(buf_str(&info)) != STATE_STOPPED)
		return error_say(err, EBUSY, "the VM \"%s\" is not powered off; shut it down before its disk is copied",
				 from);
	r = clone_disk(m, from, buf_str(&info), err);
	if (r == 0)
		r = import_key(m, err);
	import_number(m, buf_str(&info), "memory", "Driver.Memory");
	import_number(m, buf_str(&info), "cpus", "Driver.CPU");
	return r < 0 ? error_wrap(err, "importing \"%s\"", from) : 0;
}

static int make_contents(const struct machine *m, struct error *err)
{
	const char *from = json_str_at(m->config, "Driver.Boot2DockerImportVM", "");

	if (*from)
		return import_vm(m, from, err);
	log_info("(%s) Creating SSH key...", m->name);
	int r = key_make(m, err);
	return r < 0 ? r : make_disk(m, err);
}

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

static char *cpu_count(const struct machine *m)
{
	long count = (long)json_int_at(m->config, "Driver.CPU", 1);

	if (count < 1)
		count = sysconf(_SC_NPROCESSORS_ONLN);
	return xasprintf("%ld", count < 1 ? 1 : count > CPUS_MAX ? CPUS_MAX : count);
}

static int set_hardware(const struct machine *m, struct error *err)
{
	const json_t *c = m->config;
	cleanup_free char *cpus = cpu_count(m);
	cleanup_free char *memory = xasprintf("%d", (int)json_int_at(c, "Driver.Memory", 1024));
	cleanup_free char *console = virtualbox_console_path(m);

	int r = manage(err, "modifyvm", m->name, "--firmware", "bios", "--bioslogofadein", "off", "--bioslogofadeout",
		       "off", "--bioslogodisplaytime", "0", "--biosbootmenu", "disabled", "--ostype", "Linux26_64",
		       "--cpus", cpus, "--memory", memory, "--acpi", "on", "--ioapic", "on", "--rtcuseutc", "on",
		       "--cpuhotplug", "off", "--pae", "on", "--hpet", "on", "--hwvirtex", "on", "--nestedpaging", "on",
		       "--largepages", "on", "--vtxvpid", "on", "--accelerate3d", "off", "--boot1", "dvd");
	if (r < 0)
		return r;
	return manage(err, "modifyvm", m->name, "--nic1", "nat", "--nictype1",
		      json_str_at(c, "Driver.NatNicType", "82540EM"), "--cableconnected1", "on",
		      "--natdnshostresolver1", on_off(json_bool_at(c, "Driver.HostDNSResolver", false)),
		      "--natdnsproxy1", on_off(json_bool_at(c, "Driver.DNSProxy", true)), "--uart1", "0x3F8", "4",
		      "--uartmode1", "file", console);
}

static int attach_media(const struct machine *m, struct error *err)
{
	cleanup_free char *iso = machine_path(m, "boot2docker.iso");
	cleanup_free char *disk = machine_path(m, "disk.vmdk");

	int r = manage(err, "storagectl", m->name, "--name", CONTROLLER, "--add", "sata", "--hostiocache", "on");
	if (r == 0)
		r = manage(err, "storageattach", m->name, "--storagectl", CONTROLLER, "--port", "0", "--device", "0",
			   "--type", "dvddrive", "--medium", iso);
	if (r == 0)
		r = manage(err, "storageattach", m->name, "--storagectl", CONTROLLER, "--port", "1", "--device", "0",
			   "--type", "hdd", "--medium", disk);
	return r;
}

// What is shared when the user does not say: the home folders, as Docker Machine does on each system.
#ifdef __APPLE__
static const char DEFAULT_SHARE[] = "/Users:Users";
#else
static const char DEFAULT_SHARE[] = "/home:hosthome";
#endif

// "DIR:NAME"; the name is behind the last colon. Without one (or with an empty name) it is the folder's path without its slash:
// VirtualBox does not take names that begin with one.
static int add_share(const struct machine *m, const char *share, struct error *err)
{
	const char *colon = strrchr(share, ':');
	cleanup_free char *dir = xstrndup(share, colon ? (size_t)(colon - share) : strlen(share));
	const char *name = colon && colon[1] ? colon + 1 : dir + strspn(dir, "/");
	cleanup_free char *symlinks = xasprintf("VBoxInternal2/SharedFoldersEnableSymlinksCreate/%s", name);
	struct stat st;

	if (stat(dir, &st) < 0) {
		if (errno == ENOENT && share == DEFAULT_SHARE)
			return 0;
		return error_set(err, errno, "share the folder %s", dir);
	}
	int r = manage(err, "sharedfolder", "add", m->name, "--name", name, "--hostpath", dir, "--automount");
	return r < 0 ? r : manage(err, "setextradata", m->name, symlinks, "1");
}

// Where VBoxService mounts shared folders: at / and their name.
static int set_up_shares(const struct machine *m, struct error *err)
{
	const char *share = json_str_at(m->config, "Driver.ShareFolder", "");

	int r = manage(err, "guestproperty", "set", m->name, "/VirtualBox/GuestAdd/SharedFolders/MountPrefix", "/");
	if (r == 0)
		r = manage(err, "guestproperty", "set", m->name, "/VirtualBox/GuestAdd/SharedFolders/MountDir", "/");
	if (r < 0 || json_bool_at(m->config, "Driver.NoShare", false))
		return r;
	return add_share(m, *share ? share : DEFAULT_SHARE, err);
}

// VirtualBox takes a second VM of the same name when its folder is another, and does not tell the two apart from then on.
static int refuse_namesake(const struct machine *m, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;
	cleanup_buf struct buf settings = BUF_INIT;

	int r = manage_output(&info, err, "showvminfo", m->name, "--machinereadable");
	if (r == -ENODEV) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	if (!info_get(buf_str(&info), "CfgFile", &settings))
		buf_puts(&settings, "somewhere");
	return error_say(err, EEXIST,
			 "a VM named \"%s\" already exists in VirtualBox (%s): give the machine another name", m->name,
			 buf_str(&settings));
}

int vm_create(struct machine *m, struct error *err)
{
	int r = refuse_namesake(m, err);

	if (r == 0)
		r = make_contents(m, err);
	if (r < 0)
		return r;
	log_info("(%s) Creating VirtualBox VM...", m->name);
	r = manage(err, "createvm", "--basefolder", m->dir, "--name", m->name, "--register");
	if (r == 0)
		r = set_hardware(m, err);
	if (r == 0)
		r = attach_media(m, err);
	if (r == 0)
		r = set_up_shares(m, err);
	return r;
}
