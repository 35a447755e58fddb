// SPDX-License-Identifier: Apache-2.0
// The guest services of the hypervisors. Each is a row with the device that it needs.
#include "hypervisor.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "vbox.h"

#include <dirent.h>
#include <string.h>

#define PORTS "/sys/class/virtio-ports"
#define AGENT_PORT "org.qemu.guest_agent.0"
#define HYPERV_DEVICES "vmbus/hv_"
#define VMWARE_TOOLS "/usr/bin/vmtoolsd"
#define VMWARE_FOLDERS "/usr/bin/vmhgfs-fuse"
#define XEN_DEVICE "xen/xenbus"

// The ports of virtio-serial by which QEMU wants to talk to its agent: one at the most, in practice.
static void list_agent_ports(const struct guest *g, struct strv *ret)
{
	cleanup_free char *ports = guest_path(g, PORTS);
	DIR *dir = opendir(ports);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = xasprintf(PORTS "/%s/name", entry->d_name);
		cleanup_free char *name = entry->d_name[0] == '.' ? NULL : guest_read(g, path);

		if (name && strcmp(name, AGENT_PORT) == 0)
			strv_push(ret, entry->d_name);
	}
	if (dir)
		closedir(dir);
	strv_sort(ret);
}

static int prepare_qemu_agent(struct guest *g, struct launch *launch, struct error *err)
{
	(void)g;
	(void)err;
	strv_push(&launch->argv, GUEST_PROGRAMS "/b2d-qemu-agent");
	strv_pushf(&launch->argv, "/dev/%s", launch->argument);
	return 0;
}

const struct service_row qemu_agent_service = {
	.name = "qemu-agent",
	.prepare = prepare_qemu_agent,
	.after = "engine-ready",
	.device = "vport",
	.instances = list_agent_ports,
	.log = "/var/log/qemu-agent.log",
};

// `argument` stands for the device in the service's name.
static void add_device(const struct guest *g, const char *device, const char *argument, struct strv *ret)
{
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, device);

	if (file_exists(path))
		strv_push(ret, argument);
}

static int run(struct launch *launch, const char *program, const char *argument)
{
	strv_push(&launch->argv, program);
	if (argument)
		strv_push(&launch->argv, argument);
	return 0;
}

static void list_virtualbox(const struct guest *g, struct strv *ret)
{
	add_device(g, VBOX_DEVICE, VBOX_DEVICE, ret);
}

static int prepare_virtualbox(struct guest *g, struct launch *launch, struct error *err)
{
	(void)g;
	(void)err;
	return run(launch, GUEST_PROGRAMS "/b2d-virtualbox", NULL);
}

const struct service_row virtualbox_service = {
	.name = "virtualbox",
	.prepare = prepare_virtualbox,
	.after = "engine-ready",
	.device = VBOX_DEVICE,
	.instances = list_virtualbox,
	.log = "/var/log/virtualbox.log",
};

static void list_xen(const struct guest *g, struct strv *ret)
{
	add_device(g, XEN_DEVICE, "xenbus", ret);
}

static int prepare_xen(struct guest *g, struct launch *launch, struct error *err)
{
	(void)g;
	(void)err;
	return run(launch, GUEST_PROGRAMS "/b2d-xen", NULL);
}

const struct service_row xen_service = {
	.name = "xen",
	.prepare = prepare_xen,
	.after = "engine-ready",
	.device = XEN_DEVICE,
	.instances = list_xen,
	.log = "/var/log/xen.log",
};

// Hyper-V: one device a service of its host's, and one program of the kernel's for each.
static void list_hyperv(const struct guest *g, struct strv *ret)
{
	add_device(g, HYPERV_DEVICES "kvp", "kvp", ret);
	add_device(g, HYPERV_DEVICES "vss", "vss", ret);
}

static int prepare_hyperv(struct guest *g, struct launch *launch, struct error *err)
{
	cleanup_free char *program = xasprintf("/usr/sbin/hv_%s_daemon", launch->argument);

	(void)g;
	(void)err;
	return run(launch, program, "--no-daemon");
}

const struct service_row hyperv_service = {
	.name = "hyperv",
	.prepare = prepare_hyperv,
	.after = "engine-ready",
	.device = HYPERV_DEVICES,
	.instances = list_hyperv,
	.log = "/var/log/hyperv.log",
};

// VMware has no device of its own that shows it: the firmware names it. Its tools are an extension.
static void list_vmware(const struct guest *g, struct strv *ret)
{
	cleanup_free char *maker = guest_read(g, "/sys/class/dmi/id/sys_vendor");
	cleanup_free char *tools = guest_path(g, VMWARE_TOOLS), *folders = guest_path(g, VMWARE_FOLDERS);

	if (!maker || strncmp(maker, "VMware", 6) != 0)
		return;
	if (file_exists(tools))
		strv_push(ret, "tools");
	if (file_exists(folders))
		strv_push(ret, "folders");
}

static int prepare_vmware(struct guest *g, struct launch *launch, struct error *err)
{
	static const char *const folders[] = { VMWARE_FOLDERS, "-f", "-o", "allow_other,uid=1000,gid=50",
					       ".host:/",      NULL };
	cleanup_free char *place = guest_path(g, "/mnt/hgfs");

	if (strcmp(launch->argument, "folders") != 0)
		return run(launch, VMWARE_TOOLS, NULL);
	strv_push_all(&launch->argv, folders);
	strv_push(&launch->argv, place);
	return file_mkdirs(place, 0755, err);
}

const struct service_row vmware_service = {
	.name = "vmware",
	.prepare = prepare_vmware,
	.after = "engine-ready",
	.instances = list_vmware,
	.log = "/var/log/vmware.log",
};
