// SPDX-License-Identifier: Apache-2.0
// The QEMU driver: its flags, and the vtable; see qemu.h.
#include "../create.h"
#include "../image.h"
#include "../key.h"
#include "../run.h"
#include "internal.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

#define FIELD(name) offsetof(struct create_options, qemu.name)
enum { MEMORY_MIN = 256, MEMORY_MAX = 1 << 24, DISK_MIN = 100, DISK_MAX = 1 << 30, CPU_MAX = 1024, PORT_MAX = 65535 };

const struct option_row qemu_options_rows[] = {
	{ "qemu-memory", 0, OPTION_INT, FIELD(memory), "QEMU_MEMORY", "1024", "MB", "Size of memory for host in MB",
	  MEMORY_MIN, MEMORY_MAX },
	{ "qemu-cpu-count", 0, OPTION_INT, FIELD(cpu_count), "QEMU_CPU_COUNT", "1", "N",
	  "Number of CPUs for the machine (-1 to use all of the host's)", -1, CPU_MAX },
	{ "qemu-disk-size", 0, OPTION_INT, FIELD(disk_size), "QEMU_DISK_SIZE", "20000", "MB",
	  "Size of disk for host in MB", DISK_MIN, DISK_MAX },
	{ "qemu-boot2docker-url", 0, OPTION_STRING, FIELD(boot2docker_url), "QEMU_BOOT2DOCKER_URL", "", "PATH",
	  "The image: an ISO, or a folder with vmlinuz and initrd.img (default: $B2D_ISO, else the installed one)" },
	{ "qemu-accelerator", 0, OPTION_STRING, FIELD(accelerator), "QEMU_ACCELERATOR", "", "NAME",
	  "kvm, tcg, hvf, … (default: the best that really works)" },
	{ "qemu-program", 0, OPTION_STRING, FIELD(program), "QEMU_PROGRAM", "qemu-system-x86_64", "PROGRAM",
	  "Name of program to run" },
	{ "qemu-display", 0, OPTION_BOOL, FIELD(display), "QEMU_DISPLAY", .help = "Display video output" },
	{ "qemu-nographic", 0, OPTION_BOOL, FIELD(nographic), "QEMU_NOGRAPHIC",
	  .help = "Accepted for compatibility: no display is the default" },
	{ "qemu-virtio-drives", 0, OPTION_BOOL, FIELD(virtio_drives), "QEMU_VIRTIO_DRIVES",
	  .help = "Accepted for compatibility: the disk is always virtio" },
	{ "qemu-network", 0, OPTION_STRING, FIELD(network), "QEMU_NETWORK", "user", "NAME",
	  "Name of network to connect to: user, or tap or bridge besides" },
	{ "qemu-network-interface", 0, OPTION_STRING, FIELD(network_interface), "QEMU_NETWORK_INTERFACE", "tap0",
	  "NAME", "Name of the tap interface, which must be there (--qemu-network tap)" },
	{ "qemu-network-bridge", 0, OPTION_STRING, FIELD(network_bridge), "QEMU_NETWORK_BRIDGE", "br0", "NAME",
	  "Name of the bridge, which qemu-bridge-helper must allow (--qemu-network bridge)" },
	{ "qemu-network-address", 0, OPTION_STRING, FIELD(network_address), "QEMU_NETWORK_ADDRESS", "",
	  "ADDRESS[/PREFIX]", "Address of the machine on tap or bridge (default: by DHCP)" },
	{ "qemu-share", 0, OPTION_LIST, FIELD(share), "QEMU_SHARE", .argument = "DIR[:NAME]",
	  .help = "Folder of this host that the machine sees at its own path, or at /NAME; \"none\" for nothing "
		  "(default: the home folder)" },
	{ "qemu-share-type", 0, OPTION_STRING, FIELD(share_type), "QEMU_SHARE_TYPE", "9p", "NAME",
	  "What serves the shares: 9p, which is QEMU itself, or virtiofs, which needs virtiofsd" },
	{ "qemu-template", 0, OPTION_STRING, FIELD(template), "QEMU_TEMPLATE", "auto", "WHEN",
	  "Whether the machine goes on where a template of its kind was saved, instead of booting: auto (where the "
	  "image's engine can), "
	  "always, never" },
	{ "qemu-ssh-port", 0, OPTION_INT, FIELD(ssh_port), "QEMU_SSH_PORT", "0", "PORT",
	  "Port of 127.0.0.1 for SSH (0: a free one)", 0, PORT_MAX },
	{ "qemu-docker-port", 0, OPTION_INT, FIELD(docker_port), "QEMU_DOCKER_PORT", "0", "PORT",
	  "Port of 127.0.0.1 for Docker (0: a free one)", 0, PORT_MAX },
	{ 0 },
};

static int check_shares(const struct qemu_options *q, struct error *err)
{
	cleanup_json json_t *shares = NULL;
	bool virtiofs = strcmp(q->share_type, "virtiofs") == 0;

	if (!virtiofs && strcmp(q->share_type, "9p") != 0)
		return error_say(err, EINVAL, "--qemu-share-type %s: there are 9p and virtiofs", q->share_type);
	int r = qemu_shares_parse(&q->share, &shares, err);
	return r == 0 && virtiofs && json_array_size(shares) ? qemu_virtiofs_check(err) : r;
}

static int check(const struct context *ctx, const struct create_options *o, struct error *err)
{
	const struct qemu_options *q = &o->qemu;

	if (q->cpu_count == 0)
		return error_say(err, EINVAL, "--qemu-cpu-count 0: give a number of processors, or -1 for all");
	if (strcmp(q->template, "auto") != 0 && strcmp(q->template, "always") != 0 && strcmp(q->template, "never") != 0)
		return error_say(err, EINVAL, "--qemu-template %s: there are auto, always and never", q->template);
	int r = qemu_network_check(q, err);
	if (r == 0)
		r = check_shares(q, err);
	if (r == 0)
		r = run_require(q->program, "install it (Debian: qemu-system-x86) or name it with --qemu-program", err);
	if (r == 0)
		r = run_require("qemu-img", "install it (Debian: qemu-utils)", err);
	if (r == 0)
		r = run_require("ssh-keygen", "install it (Debian: openssh-client)", err);
	return r < 0 ? r : image_check(ctx, q->boot2docker_url, err);
}

// QEMU is started from the machine's folder: a relative path must hold there, too.
static json_t *program_value(const char *program)
{
	char *absolute = strchr(program, '/') ? realpath(program, NULL) : NULL;
	json_t *value = json_text(absolute ? absolute : program);

	free(absolute);
	return value;
}

static void configure(struct machine *m, const struct create_options *o)
{
	const struct qemu_options *q = &o->qemu;
	json_t *driver = json_at(m->config, "Driver");
	json_t *shares;

	if (qemu_shares_parse(&q->share, &shares, NULL) == 0) // check has seen that it is
		json_object_set_new(driver, "Shares", shares);
	json_object_set_new(driver, "ShareType", json_text(q->share_type));
	json_object_set_new(driver, "Template", json_text(q->template));
	json_object_set_new(driver, "SSHPort", json_integer(q->ssh_port));
	json_object_set_new(driver, "EnginePort", json_integer(q->docker_port));
	json_object_set_new(driver, "Memory", json_integer(q->memory));
	json_object_set_new(driver, "DiskSize", json_integer(q->disk_size));
	json_object_set_new(driver, "CPU", json_integer(q->cpu_count));
	json_object_set_new(driver, "Program", program_value(q->program));
	json_object_set_new(driver, "Display", json_boolean(q->display));
	json_object_set_new(driver, "Nographic", json_boolean(q->nographic));
	json_object_set_new(driver, "VirtioDrives", json_boolean(q->virtio_drives));
	qemu_network_configure(driver, q);
	json_object_set_new(driver, "Boot2DockerURL", json_text(q->boot2docker_url));
	json_object_set_new(driver, "Accelerator", json_text(q->accelerator));
}

static int create(struct machine *m, struct error *err)
{
	log_info("(%s) Copying the image to %s...", m->name, m->dir);
	int r = image_install(m, json_str_at(m->config, "Driver.Boot2DockerURL", ""), err);
	if (r < 0)
		return r;
	log_info("(%s) Creating SSH key...", m->name);
	r = key_make(m, err);
	if (r < 0)
		return r;
	log_info("(%s) Creating disk image...", m->name);
	return qemu_make_disk(m, err);
}

const struct driver qemu_driver = {
	.name = "qemu",
	.check = check,
	.configure = configure,
	.create = create,
	.start = qemu_start,
	.stop = qemu_stop,
	.kill = qemu_kill,
	.ssh_host = "127.0.0.1", // through the user network, whichever other there is
	.attach = qemu_attach,
	.state = qemu_state,
	.ready = qemu_ready,
	.install_image = image_install,
	.save = qemu_save,
	.resumes = true,
	.trouble = qemu_trouble,
	.uptime = qemu_process_uptime,
	.console_path = qemu_console_path,
};
