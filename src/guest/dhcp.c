// SPDX-License-Identifier: Apache-2.0
// DHCP leases: checked, applied, and noted for the others.
#include "dhcp.h"

#include "bootlog.h"
#include "hostname.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "network.h"
#include "ntp.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#define NOTES GUEST_RUN "/dhcp"
#define SERVERS_MAX 6
#define RESOLVERS_MAX 3 // more are not read by the resolver

extern char **environ;

static const char *env_get(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

// A unicast host address.
static bool parse_host(const char *text, struct in_addr *ret)
{
	struct in_addr address;
	uint32_t host;

	if (inet_pton(AF_INET, text, &address) != 1)
		return false;
	host = ntohl(address.s_addr);
	if (host >> 24 == 0 || host >> 24 == 127 || host >> 28 >= 14)
		return false;
	*ret = address;
	return true;
}

// Netmasks are ones, then zeros.
static bool parse_mask(const char *text, struct in_addr *ret)
{
	struct in_addr mask;
	uint32_t zeros;

	if (inet_pton(AF_INET, text, &mask) != 1 || mask.s_addr == 0)
		return false;
	zeros = ~ntohl(mask.s_addr);
	if ((zeros & (zeros + 1)) != 0)
		return false;
	*ret = mask;
	return true;
}

static bool is_domain(const char *text)
{
	size_t len = strlen(text);

	return len <= 253 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == len &&
	       text[0] != '.' && text[0] != '-' && !strstr(text, "..");
}

static void take_hosts(const char *const *env, const char *name, struct strv *ret)
{
	cleanup_strv struct strv words = STRV_INIT;
	const char *text = env_get(env, name);

	strv_split(&words, text ? text : "", " ");
	for (size_t i = 0; i < words.count && ret->count < SERVERS_MAX; i++) {
		struct in_addr address;

		if (parse_host(words.items[i], &address))
			strv_push(ret, words.items[i]);
		else
			log_warn("DHCP: %s \"%.64s\" is not an address; left out", name, words.items[i]);
	}
}

static void take_domains(const char *const *env, const char *name, struct strv *ret)
{
	cleanup_strv struct strv words = STRV_INIT;
	const char *text = env_get(env, name);

	strv_split(&words, text ? text : "", " ");
	for (size_t i = 0; i < words.count && ret->count < SERVERS_MAX; i++) {
		if (!is_domain(words.items[i]))
			log_warn("DHCP: %s \"%.64s\" is not a domain name; left out", name, words.items[i]);
		else if (!strv_contains(ret, words.items[i]))
			strv_push(ret, words.items[i]);
	}
}

static void take_router(const char *const *env, struct in_addr *ret)
{
	cleanup_strv struct strv words = STRV_INIT;
	const char *text = env_get(env, "router");

	strv_split(&words, text ? text : "", " ");
	if (words.count > 0 && !parse_host(words.items[0], ret))
		log_warn("DHCP: router \"%.64s\" is not an address; left out", words.items[0]);
}

int dhcp_parse(const char *const *env, struct dhcp_lease *ret, struct error *err)
{
	const char *ip = env_get(env, "ip"), *mask = env_get(env, "subnet"), *mtu = env_get(env, "mtu");
	const char *hostname = env_get(env, "hostname");

	*ret = (struct dhcp_lease){ .mtu = 0 };
	if (!ip || !parse_host(ip, &ret->address))
		return error_say(err, EBADMSG, "DHCP: the server gave \"%.64s\" as address", ip ? ip : "");
	if (!mask || !parse_mask(mask, &ret->mask)) {
		log_warn("DHCP: netmask \"%.64s\" is not one; 255.255.255.0 is taken", mask ? mask : "");
		ret->mask.s_addr = htonl(0xffffff00);
	}
	take_router(env, &ret->router);
	if (mtu && number_parse_int(mtu, 576, 65535, &ret->mtu, NULL) < 0)
		log_warn("DHCP: MTU \"%.64s\" is not usable; left out", mtu);
	take_hosts(env, "dns", &ret->dns);
	take_hosts(env, "ntpsrv", &ret->ntp);
	take_domains(env, "search", &ret->search);
	take_domains(env, "domain", &ret->search);
	if (hostname && hostname_is_valid(hostname))
		ret->hostname = xstrdup(hostname);
	return 0;
}

void dhcp_lease_done(struct dhcp_lease *lease)
{
	strv_done(&lease->dns);
	strv_done(&lease->ntp);
	strv_done(&lease->search);
	free(lease->hostname);
	*lease = (struct dhcp_lease){ .mtu = 0 };
}

static void note_words(struct buf *note, const char *key, const struct strv *words)
{
	for (size_t i = 0; i < words->count; i++)
		buf_printf(note, "%s %s\n", key, words->items[i]);
}

int dhcp_note(const struct guest *g, const char *interface, const struct dhcp_lease *lease, struct error *err)
{
	cleanup_free char *folder = guest_path(g, NOTES);
	cleanup_free char *path = path_join(folder, interface);
	cleanup_free char *resolv = guest_path(g, "/etc/resolv.conf");
	cleanup_buf struct buf note = BUF_INIT, text = BUF_INIT;
	int r = file_mkdirs(folder, 0755, err);

	if (r < 0)
		return r;
	note_words(&note, "nameserver", &lease->dns);
	note_words(&note, "search", &lease->search);
	note_words(&note, "ntp", &lease->ntp);
	r = file_replace_text(path, buf_str(&note), 0644, err);
	if (r < 0)
		return r;
	dhcp_resolv_conf(g, &text);
	return file_replace_text(resolv, buf_str(&text), 0644, err);
}

// All words that the notes of all interfaces (in the order of their names) have for `key`, each once.
static void collect(const struct guest *g, const char *key, size_t max, struct strv *ret)
{
	cleanup_free char *folder = guest_path(g, NOTES);
	cleanup_strv struct strv names = STRV_INIT;
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strv_push(&names, entry->d_name);
	if (dir)
		closedir(dir);
	strv_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf(NOTES "/%s", names.items[i]);
		cleanup_free char *text = guest_read(g, path);
		cleanup_strv struct strv words = STRV_INIT;

		strv_split(&words, text ? text : "", " \n");
		for (size_t w = 0; w + 1 < words.count; w += 2)
			if (strcmp(words.items[w], key) == 0 && ret->count < max &&
			    !strv_contains(ret, words.items[w + 1]))
				strv_push(ret, words.items[w + 1]);
	}
}

void dhcp_resolv_conf(const struct guest *g, struct buf *ret)
{
	cleanup_strv struct strv servers = STRV_INIT, search = STRV_INIT;

	collect(g, "nameserver", RESOLVERS_MAX, &servers);
	collect(g, "search", SERVERS_MAX, &search);
	if (servers.count == 0) { // public resolvers
		strv_push(&servers, "8.8.8.8");
		strv_push(&servers, "1.1.1.1");
	}
	for (size_t i = 0; i < search.count; i++)
		buf_printf(ret, "%s%s", i ? " " : "search ", search.items[i]);
	if (search.count > 0)
		buf_putc(ret, '\n');
	note_words(ret, "nameserver", &servers);
}

void dhcp_ntp_servers(const struct guest *g, struct strv *ret)
{
	collect(g, "ntp", SERVERS_MAX, ret);
}

int dhcp_fallback(struct guest *g, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;

	dhcp_resolv_conf(g, &text);
	return guest_write(g, "/etc/resolv.conf", buf_str(&text), err);
}

static int apply(const struct guest *g, const char *interface, const struct dhcp_lease *lease, struct error *err)
{
	struct error soft = ERROR_INIT;
	int metric = (int)if_nametoindex(interface);
	int r;

	if (lease->mtu && network_set_mtu(interface, lease->mtu, &soft) < 0)
		log_warn("DHCP: %s", soft.msg);
	r = network_set_address(interface, lease->address, lease->mask, err);
	if (r < 0)
		return r;
	if (lease->router.s_addr != INADDR_ANY && network_add_default(interface, lease->router, metric, &soft) < 0)
		log_warn("DHCP: %s", soft.msg);
	return dhcp_note(g, interface, lease, err);
}

// An address that comes when the engine runs is not in its certificate yet. An engine that would have to be restarted for it keeps
// the one it has.
static void renew_certificates(const struct guest *g)
{
	static const char *const argv[] = { GUEST_PROGRAMS "/engine-control", "certificates", NULL };
	cleanup_free char *running = guest_path(g, GUEST_RUN "/engine-answers");
	struct proc_spec spec = { .argv = argv, .timeout_ms = 60000 };
	struct error why = ERROR_INIT;

	if (file_exists(running) && proc_check(&spec, &why) < 0)
		log_debug("DHCP: %s", why.msg);
}

static int handle_lease(const struct guest *g, const char *interface, bool fresh, struct error *err)
{
	struct dhcp_lease lease;
	char text[INET_ADDRSTRLEN];
	cleanup_close int lock = -1;
	int r = dhcp_parse((const char *const *)environ, &lease, err);

	if (r == 0)
		r = lock_take(GUEST_RUN "/dhcp.lock", 5000, &lock, err);
	if (r == 0)
		r = apply(g, interface, &lease, err);
	if (r == 0 && fresh)
		log_info("DHCP: %s has %s", interface, inet_ntop(AF_INET, &lease.address, text, sizeof(text)));
	if (r == 0 && fresh && lease.ntp.count > 0)
		ntp_again();
	close(take_fd(&lock)); // what follows has a lock of its own, and may take a while
	if (r == 0 && fresh)
		renew_certificates(g);
	dhcp_lease_done(&lease);
	return r;
}

// Before the first lease, and when one has run out: its address may belong to somebody else now.
static int handle_loss(const char *interface, struct error *err)
{
	const struct in_addr none = { INADDR_ANY };
	int r = network_link_up(interface, err);

	if (r < 0)
		return r;
	r = network_set_address(interface, none, none, err);
	return r == -EADDRNOTAVAIL ? 0 : r; // it had none
}

int dhcp_event_main(int argc, char **argv)
{
	struct guest g = { .root = "" };
	struct error err = ERROR_INIT;
	const char *event = argc > 1 ? argv[1] : "", *interface = getenv("interface");
	int r = 0;

	bootlog_open(&g);
	bootlog_attach_file(&g);
	if (!interface || !path_is_component(interface)) {
		fprintf(stderr, "dhcp-event: this is udhcpc's script and gets the interface from it\n");
		return 1;
	}
	if (strcmp(event, "deconfig") == 0)
		r = handle_loss(interface, &err);
	else if (strcmp(event, "bound") == 0 || strcmp(event, "renew") == 0)
		r = handle_lease(&g, interface, strcmp(event, "bound") == 0, &err);
	else
		log_info("DHCP: %s: %.32s", interface, event); // leasefail, nak: udhcpc goes on by itself
	if (r < 0)
		log_error("DHCP: %s: %s", interface, err.msg);
	return r < 0 ? 1 : 0;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	static const char *const argv[] = { "/bin/busybox",
					    "udhcpc",
					    "-f",
					    "-t",
					    "4",
					    "-T",
					    "2",
					    "-A",
					    "10",
					    "-s",
					    GUEST_PROGRAMS "/dhcp-event",
					    "-O",
					    "ntpsrv",
					    "-O",
					    "search",
					    "-O",
					    "mtu",
					    "-i",
					    NULL };
	cleanup_free char *ra = xasprintf("%s/proc/sys/net/ipv6/conf/%s/accept_ra", g->root, launch->argument);
	cleanup_free char *name = guest_read(g, "/proc/sys/kernel/hostname");

	if (!network_is_ethernet(g, launch->argument))
		return error_say(err, ENODEV, "there is no interface %s any more", launch->argument);
	// 2: also when the system forwards packets, as Docker has it.
	(void)!file_write_existing(ra, "2", NULL);
	strv_push_all(&launch->argv, argv);
	strv_push(&launch->argv, launch->argument);
	strv_pushf(&launch->argv, "-p/run/udhcpc.%s.pid", launch->argument);
	if (name && hostname_is_valid(name))
		strv_pushf(&launch->argv, "-xhostname:%s", name);
	return network_link_up(launch->argument, err);
}

const struct service_row dhcp_service = {
	.name = "dhcp",
	.prepare = prepare,
	.after = "mounts",
	.instances = network_list_ethernet,
	.log = "/var/log/dhcp.log",
	.may_end = true, // who gives an interface an address of his own ends udhcpc first
	.stop_order = 2,
};
