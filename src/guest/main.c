// SPDX-License-Identifier: Apache-2.0
// PID 1 of Boot2Docker. This file tells what a boot is: its steps and its services.
#include "apparmor.h"
#include "applets.h"
#include "bootlog.h"
#include "console.h"
#include "cron.h"
#include "dhcp.h"
#include "engine.h"
#include "extensions.h"
#include "home.h"
#include "hostname.h"
#include "hypervisor.h"
#include "init.h"
#include "layers.h"
#include "lib/alloc.h"
#include "lib/log.h"
#include "lib/version.h"
#include "modules.h"
#include "mounts.h"
#include "network.h"
#include "ntp.h"
#include "scripts.h"
#include "shares.h"
#include "ssh.h"
#include "storage.h"
#include "sysctl.h"
#include "template.h"
#include "truststore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int stop_for_rescue(struct guest *g, struct error *err)
{
	return g->options.rescue ? error_say(err, ECANCELED, "boot2docker.rescue was given") : 0;
}

#define HERE STEP_INLINE
#define MUST (STEP_INLINE | STEP_REQUIRED)
#define YIELD STEP_YIELDS

// The boot story. A step starts when those it comes after are over; what does not depend on each other runs at the same time.
// The last column is the deadline in milliseconds (0: waited for).
static const struct step boot_steps[] = {
	{ "kernel-mounts", mounts_kernel, NULL, MUST, 0 },
	{ "layers", layers_enter, "kernel-mounts", MUST, 0 },
	{ "mounts", mounts_rest, "layers", HERE, 0 },
	{ "rescue-wish", stop_for_rescue, "mounts", MUST, 0 },

	// First what containerd and dockerd wait for longest; in this order the processes are forked.
	{ "storage", storage_mount, "mounts", 0, 0 }, // a file system check takes what it takes
	{ "virtio-modules", modules_for_virtio, "mounts", 0, 60000 },
	{ "modules", modules_for_hardware, "virtio-modules", 0, 60000 },
	{ "apparmor", apparmor_load, "mounts", YIELD, 10000 },
	{ "loopback", network_loopback, "mounts", HERE, 0 },
	{ "sysctl", sysctl_apply, "mounts", YIELD, 10000 },
	{ "module-sysctl", sysctl_apply, "docker-modules", YIELD, 10000 }, // for the parameters that come with a module
	{ "resolvers", dhcp_fallback, "mounts", YIELD, 10000 },
	{ "docker-modules", modules_wanted, "mounts", YIELD, 60000 },

	{ "shares", shares_mount, "virtio-modules", 0, 30000 },
	{ "provision", home_provision, "storage virtio-modules", 0, 10000 },
	{ "hostname", hostname_apply, "provision", 0, 10000 },
	{ "home", home_userdata, "storage", 0, 10000 },
	{ "trust-store", truststore_fill, "provision", 0, 60000 },
	{ "birth", template_wait_birth, "storage", STEP_TEMPLATE | STEP_QUIET, 0 }, // as long as the host wants
	{ "ssh-key", ssh_first_key, "storage birth", 0, 60000 },
	{ "extensions", extensions_lay, "storage", 0, 300000 },
	{ "bootsync", scripts_bootsync, "provision extensions", 0, 0 }, // the user's: never killed
	{ "engine-ready", engine_ready, "docker", 0, 0 },
	{ "end-of-boot", sysctl_end_boot, "engine-ready", HERE, 0 },
	{ "bootlocal", scripts_bootlocal, "engine-ready", STEP_QUIET, 0 }, // the user's, in the background

	{ "swap", storage_swap, "engine-ready", STEP_QUIET, 60000 },
	{ "ssh-other-keys", ssh_other_keys, "engine-ready birth", STEP_QUIET | YIELD, 600000 }, // nobody waits for them
};

// When each starts is its own row's `after`.
static const struct service_row *const boot_services[] = {
	&dhcp_service, &containerd_service, &dockerd_service,    &sshd_service, &console_service, &ntp_service,
	&cron_service, &qemu_agent_service, &virtualbox_service, &xen_service,  &hyperv_service,  &vmware_service,
};

static const struct boot boot = {
	.steps = boot_steps,
	.step_count = ARRAY_SIZE(boot_steps),
	.services = boot_services,
	.service_count = ARRAY_SIZE(boot_services),
	.rescue = &rescue_service,
	.network = &dhcp_service,
};

// PID 1 must not end, or the kernel panics. What can be done without it goes on; orphans are still reaped.
static _Noreturn void stay(void)
{
	for (;;)
		if (waitpid(-1, NULL, 0) < 0)
			pause();
}

static void out_of_memory(void)
{
	if (getpid() != 1)
		_exit(1);
	bootlog_console("PID 1 is out of memory: services are not started again; please reboot");
	stay();
}

static int print_help(void)
{
	printf("This is PID 1 of Boot2Docker %s; it does nothing when it is run by hand.\n"
	       "Its other names: poweroff, reboot, halt, shutdown, sethostname, boot-timeline.\n",
	       B2D_VERSION);
	return 0;
}

// Descriptors 0 to 2 are taken whatever the kernel gave us, so that no file of ours becomes a program's output by accident.
static void hold_stdio(void)
{
	int fd;

	do
		fd = open("/", O_RDONLY | O_DIRECTORY);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct guest guest = { .root = "" };
	int status;

	if (getpid() != 1) {
		status = applets_run(argc, argv);
		return status >= 0 ? status : print_help();
	}
	alloc_set_failure_handler(out_of_memory);
	hold_stdio();
	umask(022);
	setenv("PATH", GUEST_PATH, 1);
	init_run(&guest, &boot);
	bootlog_console("The system has ended, but the power is still on: it can be turned off");
	stay();
}
