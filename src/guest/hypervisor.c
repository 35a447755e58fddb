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
};

static void add_device(const struct guest *g, const char *name, struct strv *ret)
{
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, name);

	if (file_exists(path))
		strv_push(ret, name);
}

static void list_virtualbox(const struct guest *g, struct strv *ret)
{
	add_device(g, VBOX_DEVICE, ret);
}

static int prepare_virtualbox(struct guest *g, struct launch *launch, struct error *err)
{
	(void)g;
	(void)err;
	strv_push(&launch->argv, GUEST_PROGRAMS "/b2d-virtualbox");
	return 0;
}

const struct service_row virtualbox_service = {
	.name = "virtualbox",
	.prepare = prepare_virtualbox,
	.after = "engine-ready",
	.device = VBOX_DEVICE,
	.instances = list_virtualbox,
};
