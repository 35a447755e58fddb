// SPDX-License-Identifier: Apache-2.0
// The machine's network cards; see internal.h.
//
// Theory of operation. The first card is on QEMU's user network, which needs no right: the guest's way out, and SSH from
// a port of 127.0.0.1. With `--qemu-network user`, the default, the engine and published ports are forwarded there, too,
// and 127.0.0.1 is the machine's address. With `tap` or `bridge` a second card is on an interface of the host, where the
// machine has an address of its own, for the engine and all else: given by the user, or by whatever DHCP server is
// there. So that can be known only when the guest runs: it is asked over SSH for the address of the card with our MAC.
#include "internal.h"

#include "../certs.h"
#include "../handover.h"
#include "../ports.h"
#include "../remote.h"
#include "../wait.h"
#include "forward.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"
#include "qemu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/random.h>

enum { GUEST_SSH_PORT = 22, GUEST_ENGINE_PORT = 2376, ADDRESS_TIMEOUT_MS = 60 * 1000, REMOTE_TIMEOUT_MS = 30 * 1000 };
enum { PAUSE_MS = 500, PREFIX_DEFAULT = 24, FORWARD_TRIES = 8 };
const char QEMU_USER_NETWORK[] = "user,id=nat";
static const char LOOPBACK[] = "127.0.0.1";

// --- the flags ---

// "ADDRESS" or "ADDRESS/PREFIX".
static int check_address(const char *given, struct error *err)
{
	cleanup_free char *address = xstrndup(given, strcspn(given, "/"));
	const char *slash = strchr(given, '/');
	struct in_addr ignored;
	int prefix;

	if (inet_pton(AF_INET, address, &ignored) != 1 ||
	    (slash && number_parse_int(slash + 1, 1, 32, &prefix, NULL) < 0))
		return error_say(err, EINVAL, "--qemu-network-address %s is no address such as 192.168.100.2/24",
				 given);
	return 0;
}

static int check_interface(const char *flag, const char *name, const char *hint, struct error *err)
{
	if (!*name || strlen(name) >= IF_NAMESIZE || strpbrk(name, ",/ \t\n") || !if_nametoindex(name))
		return error_say(err, ENODEV, "%s %s: this host has no such interface; %s", flag, name, hint);
	return 0;
}

int qemu_network_check(const struct qemu_options *q, struct error *err)
{
	int r;

	if (strcmp(q->network, "user") == 0)
		return 0;
	if (strcmp(q->network, "tap") == 0)
		r = check_interface("--qemu-network-interface", q->network_interface,
				    "make one (ip tuntap add NAME mode tap user YOU)", err);
	else if (strcmp(q->network, "bridge") == 0)
		r = check_interface("--qemu-network-bridge", q->network_bridge,
				    "make one, and allow it in /etc/qemu/bridge.conf", err);
	else
		return error_say(err, EINVAL, "--qemu-network %s: there are user, tap and bridge", q->network);
	return r < 0 || !*q->network_address ? r : check_address(q->network_address, err);
}

void qemu_network_configure(json_t *driver, const struct qemu_options *q)
{
	bool is_user = strcmp(q->network, "user") == 0;
	cleanup_free char *address = xstrndup(q->network_address, strcspn(q->network_address, "/"));
	unsigned char tail[3] = { 0 };

	// Locally administered, in the range that QEMU's own addresses come from.
	if (getrandom(tail, sizeof(tail), 0) < 0)
		log_debug("no random numbers for a MAC address: %s", strerror(errno));
	cleanup_free char *mac = xasprintf("52:54:00:%02x:%02x:%02x", tail[0], tail[1], tail[2]);
	json_object_set_new(driver, "IPAddress", json_text(is_user ? LOOPBACK : address));
	json_object_set_new(driver, "Network", json_text(q->network));
	json_object_set_new(driver, "NetworkInterface", json_text(q->network_interface));
	json_object_set_new(driver, "NetworkBridge", json_text(q->network_bridge));
	json_object_set_new(driver, "NetworkAddress", json_text(q->network_address));
	if (is_user)
		return;
	json_object_set_new(driver, "MacAddress", json_string(mac));
	json_object_set_new(driver, "EnginePort", json_integer(GUEST_ENGINE_PORT));
}

// --- the command line ---

static const char *network_of(const struct machine *m)
{
	return json_str_at(m->config, "Driver.Network", "user");
}

bool qemu_has_own_address(const struct machine *m)
{
	return strcmp(network_of(m), "tap") == 0 || strcmp(network_of(m), "bridge") == 0;
}

static void add_second_card(const struct machine *m, struct strv *argv)
{
	cleanup_free char *interface = qemu_escaped(json_str_at(m->config, "Driver.NetworkInterface", "tap0"));
	cleanup_free char *bridge = qemu_escaped(json_str_at(m->config, "Driver.NetworkBridge", "br0"));
	cleanup_free char *mac = qemu_escaped(json_str_at(m->config, "Driver.MacAddress", ""));

	strv_push(argv, "-netdev");
	if (strcmp(network_of(m), "tap") == 0)
		strv_pushf(argv, "tap,id=lan,ifname=%s,script=no,downscript=no", interface);
	else
		strv_pushf(argv, "bridge,id=lan,br=%s", bridge);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-net-pci,netdev=lan,romfile=,mac=%s", mac);
}

static char *ssh_forward(const struct machine *m)
{
	return xasprintf("tcp:%s:%d-:%d", LOOPBACK, machine_ssh_port(m), GUEST_SSH_PORT);
}

// NULL: the engine is reached otherwise.
static char *engine_forward(const struct machine *m)
{
	return qemu_has_own_address(m)
		       ? NULL
		       : xasprintf("tcp:%s:%d-:%d", LOOPBACK, machine_engine_port(m), GUEST_ENGINE_PORT);
}

void qemu_network_command(const struct machine *m, bool with_forwards, struct strv *argv)
{
	cleanup_free char *ssh = ssh_forward(m);
	cleanup_free char *engine = engine_forward(m);
	cleanup_buf struct buf value = BUF_INIT;

	buf_puts(&value, QEMU_USER_NETWORK);
	if (with_forwards)
		buf_printf(&value, ",hostfwd=%s%s%s", ssh, engine ? ",hostfwd=" : "", engine ? engine : "");
	strv_push(argv, "-netdev");
	strv_push(argv, buf_str(&value));
	// Without a boot ROM: nothing is ever booted from this card.
	strv_push(argv, "-device");
	strv_push(argv, "virtio-net-pci,netdev=nat,romfile=");
	if (qemu_has_own_address(m))
		add_second_card(m, argv);
}

// Chooses a port, and has it forwarded; one that was taken meanwhile gives way to the next.
static int forward(struct machine *m, struct qmp *q, const char *field, int first,
		   char *(*rule)(const struct machine *), struct error *err)
{
	for (int tries = 0; tries < FORWARD_TRIES; tries++) {
		cleanup_free char *said = NULL;
		int r = ports_settle(m, field, first, err);
		if (r < 0)
			return r;
		cleanup_free char *text = rule(m);
		cleanup_free char *line = xasprintf("hostfwd_add nat %s", text);
		r = qmp_monitor(q, line, QMP_TIMEOUT_MS, &said, err);
		if (r < 0 || !*said)
			return r;
		log_debug("%s", said);
	}
	return error_say(err, EADDRINUSE, "QEMU could not take a port of 127.0.0.1 for machine \"%s\"", m->name);
}

int qemu_network_forward(struct machine *m, struct qmp *q, struct error *err)
{
	cleanup_forwards struct forwards present = { 0 };
	cleanup_free char *text = NULL;
	int r = qmp_monitor(q, "info usernet", QMP_TIMEOUT_MS, &text, err);

	if (r < 0)
		return r;
	forwards_from_usernet(text, LOOPBACK, &present);
	if (!qemu_has_own_address(m) && !forwards_has(&present, (struct forward){ .port = machine_engine_port(m) }))
		r = forward(m, q, "EnginePort", FIRST_ENGINE_PORT, engine_forward, err);
	if (r == 0 && !forwards_has(&present, (struct forward){ .port = machine_ssh_port(m) }))
		r = forward(m, q, "SSHPort", FIRST_SSH_PORT, ssh_forward, err);
	return r;
}

// --- the address ---

// Prints the address of the card with the MAC address $1, after having given it $2 where that is not empty.
static const char ADDRESS_SCRIPT[] =
	"for card in /sys/class/net/*; do\n"
	"	[ \"$(cat \"$card/address\")\" = \"$1\" ] || continue\n"
	"	card=${card##*/}\n"
	"	if [ -n \"$2\" ]; then ip link set \"$card\" up && ip addr replace \"$2\" dev \"$card\"; fi\n"
	"	ip -4 -o addr show dev \"$card\" scope global | sed -n 's|.* inet \\([0-9.]*\\)/.*|\\1|p' | head -n 1\n"
	"done\n";

// config.json may come from anywhere: what goes into the command must mean nothing to a shell.
static bool is_plain(const char *text)
{
	return strspn(text, "0123456789abcdef:./") == strlen(text);
}

static int ask_address(const struct machine *m, struct buf *ret, struct error *err)
{
	const char *mac = json_str_at(m->config, "Driver.MacAddress", "");
	const char *address = json_str_at(m->config, "Driver.NetworkAddress", "");
	cleanup_free char *given =
		!*address || strchr(address, '/') ? xstrdup(address) : xasprintf("%s/%d", address, PREFIX_DEFAULT);
	cleanup_free char *command = xasprintf("sudo sh -s -- '%s' '%s'", mac, given);
	struct in_addr ignored;

	if (!is_plain(mac) || !is_plain(given))
		return error_say(err, EINVAL, "the MAC or network address in machine \"%s\"'s config.json is none",
				 m->name);
	buf_clear(ret);
	int r = remote_run(m,
			   &(struct remote_run){ .command = command,
						 .input = ADDRESS_SCRIPT,
						 .input_len = strlen(ADDRESS_SCRIPT),
						 .timeout_ms = REMOTE_TIMEOUT_MS,
						 .output = ret },
			   err);
	buf_trim_end(ret);
	if (r < 0)
		return r;
	return inet_pton(AF_INET, buf_str(ret), &ignored) == 1
		       ? 0
		       : error_say(err, EADDRNOTAVAIL,
				   "the card of machine \"%s\" on the %s network has no address; does a DHCP server "
				   "answer "
				   "there? --qemu-network-address gives one without",
				   m->name, network_of(m));
}

static int learn_address(struct machine *m, struct error *err)
{
	int64_t deadline = clock_ms() + ADDRESS_TIMEOUT_MS;
	cleanup_buf struct buf address = BUF_INIT;
	int r;

	while ((r = ask_address(m, &address, err)) < 0) {
		if (clock_ms() >= deadline)
			return r;
		clock_sleep_ms(PAUSE_MS);
	}
	error_clear(err);
	json_put(m->config, "Driver.IPAddress", json_string(buf_str(&address)));
	return 0;
}

int qemu_attach(struct machine *m, enum provision_kind kind, struct error *err)
{
	struct error why = ERROR_INIT;
	(void)kind; // it was handed over at the start

	if (!qemu_has_own_address(m))
		return 0;
	int r = machine_wait_ssh(m, err);
	if (r == 0)
		r = learn_address(m, err);
	if (r < 0 || certs_check_server(m, CERT_RENEW_DAYS, &why) > 0)
		return r;
	log_debug("(%s) new server certificate: %s", m->name, why.msg);
	r = certs_make_server(m, err);
	return r < 0 ? r : handover_over_ssh(m, PROVISION_CERTIFICATES, err);
}
