// SPDX-License-Identifier: Apache-2.0
// The VirtualBox driver: its flags, and the vtable; see virtualbox.h.
#include "../create.h"
#include "../image.h"
#include "../processor.h"
#include "../run.h"
#include "internal.h"
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"

#include <errno.h>
#include <string.h>

#define FIELD(name) offsetof(struct create_options, virtualbox.name)
enum { MEMORY_MIN = 256, MEMORY_MAX = 1 << 24, DISK_MIN = 100, DISK_MAX = 1 << 30, CPU_MAX = 1024, VERSION_MIN = 5 };

const struct option_row virtualbox_options_rows[] = {
	{ "virtualbox-memory", 0, OPTION_INT, FIELD(memory), "VIRTUALBOX_MEMORY_SIZE", "1024", "MB",
	  "Size of memory for host in MB", MEMORY_MIN, MEMORY_MAX },
	{ "virtualbox-cpu-count", 0, OPTION_INT, FIELD(cpu_count), "VIRTUALBOX_CPU_COUNT", "1", "N",
	  "number of CPUs for the machine (-1 to use the number of CPUs available)", -1, CPU_MAX },
	{ "virtualbox-disk-size", 0, OPTION_INT, FIELD(disk_size), "VIRTUALBOX_DISK_SIZE", "20000", "MB",
	  "Size of disk for host in MB", DISK_MIN, DISK_MAX },
	{ "virtualbox-boot2docker-url", 0, OPTION_STRING, FIELD(boot2docker_url), "VIRTUALBOX_BOOT2DOCKER_URL", "",
	  "PATH", "The image: an ISO (default: $B2D_ISO, else the installed one)" },
	{ "virtualbox-import-boot2docker-vm", 0, OPTION_STRING, FIELD(import_vm), "VIRTUALBOX_BOOT2DOCKER_IMPORT_VM",
	  "", "VM", "The name of a Boot2Docker VM to import" },
	{ "virtualbox-host-dns-resolver", 0, OPTION_BOOL, FIELD(host_dns_resolver), "VIRTUALBOX_HOST_DNS_RESOLVER",
	  .help = "Use the host DNS resolver" },
	{ "virtualbox-nat-nictype", 0, OPTION_STRING, FIELD(nat_nictype), "VIRTUALBOX_NAT_NICTYPE", "82540EM", "TYPE",
	  "Specify the Network Adapter Type" },
	{ "virtualbox-hostonly-cidr", 0, OPTION_STRING, FIELD(hostonly_cidr), "VIRTUALBOX_HOSTONLY_CIDR",
	  "192.168.99.1/24", "CIDR", "Specify the Host Only CIDR" },
	{ "virtualbox-hostonly-nictype", 0, OPTION_STRING, FIELD(hostonly_nictype), "VIRTUALBOX_HOSTONLY_NIC_TYPE",
	  "82540EM", "TYPE", "Specify the Host Only Network Adapter Type" },
	{ "virtualbox-hostonly-nicpromisc", 0, OPTION_STRING, FIELD(hostonly_nicpromisc),
	  "VIRTUALBOX_HOSTONLY_NIC_PROMISC", "deny", "MODE",
	  "Specify the Host Only Network Adapter Promiscuous Mode: deny, allow-vms, allow-all" },
	{ "virtualbox-ui-type", 0, OPTION_STRING, FIELD(ui_type), "VIRTUALBOX_UI_TYPE", "headless", "TYPE",
	  "Specify the UI Type: gui, sdl, headless, separate" },
	{ "virtualbox-hostonly-no-dhcp", 0, OPTION_BOOL, FIELD(hostonly_no_dhcp), "VIRTUALBOX_HOSTONLY_NO_DHCP",
	  .help = "Disable the Host Only DHCP Server" },
	{ "virtualbox-no-share", 0, OPTION_BOOL, FIELD(no_share), "VIRTUALBOX_NO_SHARE",
	  .help = "Disable the mount of your home directory" },
	{ "virtualbox-no-dns-proxy", 0, OPTION_BOOL, FIELD(no_dns_proxy), "VIRTUALBOX_NO_DNS_PROXY",
	  .help = "Disable proxying all DNS requests to the host" },
	{ "virtualbox-no-vtx-check", 0, OPTION_BOOL, FIELD(no_vtx_check), "VIRTUALBOX_NO_VTX_CHECK",
	  .help = "Disable checking for the availability of hardware virtualization before the vm is started" },
	{ "virtualbox-share-folder", 0, OPTION_STRING, FIELD(share_folder), "VIRTUALBOX_SHARE_FOLDER", "", "DIR:NAME",
	  "Mount the specified directory instead of the default home location" },
	{ 0 },
};

static int check_one_of(const char *flag, const char *value, const char *const *allowed, struct error *err)
{
	cleanup_buf struct buf list = BUF_INIT;

	for (const char *const *word = allowed; *word; word++) {
		if (strcmp(value, *word) == 0)
			return 0;
		buf_printf(&list, "%s%s", list.len ? ", " : "", *word);
	}
	return error_say(err, EINVAL, "--%s %s: it is one of %s", flag, value, buf_str(&list));
}

static int check_flags(const struct virtualbox_options *v, struct error *err)
{
	static const char *const user_interfaces[] = { "gui", "sdl", "headless", "separate", NULL };
	static const char *const modes[] = { "deny", "allow-vms", "allow-all", NULL };
	struct network n = { 0 };

	int r = check_one_of("virtualbox-ui-type", v->ui_type, user_interfaces, err);
	if (r == 0)
		r = check_one_of("virtualbox-hostonly-nicpromisc", v->hostonly_nicpromisc, modes, err);
	return r < 0 ? r : network_parse(v->hostonly_cidr, &n, err);
}

// "7.2.22_Debianr175245", behind whatever a wrapper says first.
static int check_version(struct error *err)
{
	cleanup_buf struct buf version = BUF_INIT;
	int major = 0;

	int r = manage_output(&version, err, "--version");
	if (r < 0)
		return r;
	buf_trim_end(&version);
	cleanup_free char *number = xstrndup(buf_str(&version), strcspn(buf_str(&version), "."));
	if (number_parse_int(number, 0, 1000, &major, NULL) < 0)
		return error_say(err, EPROTO, "VBoxManage --version says \"%.200s\", which is no version",
				 buf_str(&version));
	if (major < VERSION_MIN)
		return error_say(err, ENOTSUP,
				 "VirtualBox %s is too old: version %d or newer is needed, from "
				 "https://www.virtualbox.org",
				 buf_str(&version), VERSION_MIN);
	return 0;
}

static int check(const struct context *ctx, const struct create_options *o, struct error *err)
{
	const struct virtualbox_options *v = &o->virtualbox;

	int r = check_flags(v, err);
	if (r == 0)
		r = run_require("VBoxManage", "install VirtualBox", err);
	if (r == 0)
		r = run_require("ssh", "install it (Debian: openssh-client)", err);
	if (r == 0)
		r = run_require("ssh-keygen", "install it (Debian: openssh-client)", err);
	if (r == 0)
		r = check_version(err);
	if (r == 0 && !v->no_vtx_check && access("/proc/cpuinfo", R_OK) == 0 && !processor_virtualizes("/proc/cpuinfo"))
		r = error_say(err, ENOTSUP,
			      "This computer doesn't have VT-X/AMD-v enabled. Enabling it in the BIOS is "
			      "mandatory (--virtualbox-no-vtx-check goes on without)");
	return r < 0 ? r : image_check(ctx, v->boot2docker_url, err);
}

static void configure(struct machine *m, const struct create_options *o)
{
	const struct virtualbox_options *v = &o->virtualbox;
	json_t *driver = json_at(m->config, "Driver");

	json_object_set_new(driver, "SSHPort", json_integer(0));
	json_object_set_new(driver, "VBoxManager", json_object());
	json_object_set_new(driver, "HostInterfaces", json_object());
	json_object_set_new(driver, "CPU", json_integer(v->cpu_count));
	json_object_set_new(driver, "Memory", json_integer(v->memory));
	json_object_set_new(driver, "DiskSize", json_integer(v->disk_size));
	json_object_set_new(driver, "NatNicType", json_text(v->nat_nictype));
	json_object_set_new(driver, "Boot2DockerURL", json_text(v->boot2docker_url));
	json_object_set_new(driver, "Boot2DockerImportVM", json_text(v->import_vm));
	json_object_set_new(driver, "HostDNSResolver", json_boolean(v->host_dns_resolver));
	json_object_set_new(driver, "HostOnlyCIDR", json_text(v->hostonly_cidr));
	json_object_set_new(driver, "HostOnlyNicType", json_text(v->hostonly_nictype));
	json_object_set_new(driver, "HostOnlyPromiscMode", json_text(v->hostonly_nicpromisc));
	json_object_set_new(driver, "UIType", json_text(v->ui_type));
	json_object_set_new(driver, "HostOnlyNoDHCP", json_boolean(v->hostonly_no_dhcp));
	json_object_set_new(driver, "NoShare", json_boolean(v->no_share));
	json_object_set_new(driver, "DNSProxy", json_boolean(!v->no_dns_proxy));
	json_object_set_new(driver, "NoVTXCheck", json_boolean(v->no_vtx_check));
	json_object_set_new(driver, "ShareFolder", json_text(v->share_folder));
}

static int create(struct machine *m, struct error *err)
{
	log_info("(%s) Copying the image to %s...", m->name, m->dir);
	int r = image_install_iso(m, json_str_at(m->config, "Driver.Boot2DockerURL", ""), err);

	return r < 0 ? r : vm_create(m, err);
}

const struct driver virtualbox_driver = {
	.name = "virtualbox",
	.check = check,
	.configure = configure,
	.create = create,
	.start = virtualbox_start,
	.stop = virtualbox_stop,
	.save = virtualbox_save,
	.kill = virtualbox_kill,
	.state = virtualbox_state,
	.console_path = virtualbox_console_path,
	.ssh_host = "127.0.0.1",
	.resumes = true,
	.attach = virtualbox_attach,
	.install_image = image_install_iso,
	.remove = virtualbox_remove,
};
