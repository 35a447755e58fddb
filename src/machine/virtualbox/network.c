// SPDX-License-Identifier: Apache-2.0
// The host-only network of a machine; see internal.h.
//
// Theory of operation
//
// The machine's first card is a NAT, for SSH and the way out; the second is on a host-only network, where the host reaches the
// engine at an address that VirtualBox's DHCP server gives. An adapter (vboxnet0, …) is the host's end of such a network and is
// found by its address: machines with the same CIDR share it. It is looked for before each start, because adapters of Linux
// hosts vanish when the host boots, and their names are then given anew.
//
// VirtualBox 6.1.28 and later set only addresses within 192.168.56.0/21 unless /etc/vbox/networks.conf allows more, so Docker
// Machine's own default cannot be had there: E_ACCESSDENIED, and the fallback.
#include "internal.h"

#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

static const char FALLBACK_CIDR[] = "192.168.59.1/24";
static const char DEFAULT_CIDR[] = "192.168.99.1/24";
static const char NETWORK_PREFIX[] = "HostInterfaceNetworking-"; // what a DHCP server calls an adapter's network

enum { PREFIX_MIN = 8, PREFIX_MAX = 29 };

int network_parse(const char *cidr, struct network *ret, struct error *err)
{
	cleanup_buf struct buf address = BUF_INIT;
	const char *slash = strchr(cidr, '/');
	struct in_addr in;
	int prefix = 0;

	buf_add(&address, cidr, slash ? (size_t)(slash - cidr) : 0);
	if (!slash || inet_pton(AF_INET, buf_str(&address), &in) != 1 ||
	    number_parse_int(slash + 1, PREFIX_MIN, PREFIX_MAX, &prefix, NULL) < 0)
		return error_say(err, EINVAL,
				 "host-only CIDR \"%s\": give the host's address and a prefix of %d to %d, "
				 "such as %s",
				 cidr, PREFIX_MIN, PREFIX_MAX, DEFAULT_CIDR);
	struct network n = { .ip = ntohl(in.s_addr), .mask = UINT32_MAX << (32 - prefix) };
	if ((n.ip & ~n.mask) == 0 || (n.ip | n.mask) == UINT32_MAX)
		return error_say(err, EINVAL,
				 "host-only cidr must be specified with a host address, not a network "
				 "address: %s",
				 cidr);
	*ret = n;
	return 0;
}

void network_format(uint32_t ip, struct buf *ret)
{
	buf_printf(ret, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
}

struct dhcp_range network_dhcp_range(const struct network *n)
{
	enum { LOWER_HOST = 100, ROOMY = 256 };
	uint32_t base = n->ip & n->mask;
	uint32_t size = ~n->mask + 1;
	struct dhcp_range range = {
		.server = base + 2 == n->ip ? base + 3 : base + 2,
		.lower = base + (size >= ROOMY ? LOWER_HOST : size / 2),
		.upper = base + size - 2,
	};

	return range;
}

// Another card of the host in the same network would get the machine's packets.
static int check_collisions(const struct network *n, struct error *err)
{
	struct ifaddrs *all;
	int r = 0;

	if (getifaddrs(&all) < 0)
		return error_set(err, errno, "list the host's network interfaces");
	for (const struct ifaddrs *a = all; a && r == 0; a = a->ifa_next) {
		struct sockaddr_in in;
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || strncmp(a->ifa_name, "vboxnet", 7) == 0)
			continue;
		memcpy(&in, a->ifa_addr, sizeof(in));
		if ((ntohl(in.sin_addr.s_addr) & n->mask) == (n->ip & n->mask))
			r = error_say(err, EADDRINUSE,
				      "host-only cidr conflicts with the network address of the host's "
				      "interface %s: give another with --virtualbox-hostonly-cidr",
				      a->ifa_name);
	}
	freeifaddrs(all);
	return r;
}

static bool record_is(const char *record, size_t len, const char *key, uint32_t ip)
{
	cleanup_buf struct buf value = BUF_INIT;
	cleanup_buf struct buf wanted = BUF_INIT;

	network_format(ip, &wanted);
	return record_get(record, len, key, &value) && strcmp(buf_str(&value), buf_str(&wanted)) == 0;
}

// 1 and the adapter's name when there is one with this address, else 0.
static int find_adapter(const struct network *n, struct buf *ret_name, struct error *err)
{
	cleanup_buf struct buf list = BUF_INIT;
	size_t len = 0;

	int r = manage_output(&list, err, "list", "hostonlyifs");
	if (r < 0)
		return r;
	for (const char *at = record_next(buf_str(&list), "Name", &len); at; at = record_next(at + len, "Name", &len))
		if (record_is(at, len, "IPAddress", n->ip) && record_is(at, len, "NetworkMask", n->mask))
			return record_get(at, len, "Name", ret_name);
	return 0;
}

static int set_address(const char *adapter, const struct network *n, struct error *err)
{
	cleanup_buf struct buf ip = BUF_INIT;
	cleanup_buf struct buf mask = BUF_INIT;

	network_format(n->ip, &ip);
	network_format(n->mask, &mask);
	return manage(err, "hostonlyif", "ipconfig", adapter, "--ip", buf_str(&ip), "--netmask", buf_str(&mask));
}

static void remove_adapter(const char *adapter)
{
	struct error err = ERROR_INIT;

	if (manage(&err, "hostonlyif", "remove", adapter) < 0)
		log_warn("%s", err.msg);
}

// VirtualBox refused the address for the adapter that was made for it: take the one that it allows everywhere.
static int fall_back(struct machine *m, struct network *n, struct buf *adapter, struct error *err)
{
	cleanup_buf struct buf other = BUF_INIT;

	log_warn("VirtualBox does not allow the host-only network %s (its /etc/vbox/networks.conf says which it "
		 "allows): "
		 "machine \"%s\" gets %s",
		 json_str_at(m->config, "Driver.HostOnlyCIDR", DEFAULT_CIDR), m->name, FALLBACK_CIDR);
	int r = network_parse(FALLBACK_CIDR, n, err);
	if (r == 0)
		r = check_collisions(n, err);
	if (r == 0)
		r = find_adapter(n, &other, err);
	if (r > 0) {
		remove_adapter(buf_str(adapter));
		buf_clear(adapter);
		buf_puts(adapter, buf_str(&other));
		r = 0;
	} else if (r == 0) {
		r = set_address(buf_str(adapter), n, err);
	}
	if (r == 0)
		json_put(m->config, "Driver.HostOnlyCIDR", json_string(FALLBACK_CIDR));
	return r;
}

static int make_adapter(struct machine *m, struct network *n, struct buf *ret_name, struct error *err)
{
	cleanup_buf struct buf output = BUF_INIT;

	int r = manage_output(&output, err, "hostonlyif", "create");
	if (r < 0)
		return error_wrap(err, "making a host-only network");
	if (!created_interface(buf_str(&output), ret_name))
		return error_say(err, EPROTO,
				 "VBoxManage hostonlyif create does not say which interface it made: \"%s\"",
				 buf_str(&output));
	log_info("(%s) Made the host-only interface %s", m->name, buf_str(ret_name));
	r = set_address(buf_str(ret_name), n, err);
	if (r == -EACCES)
		r = fall_back(m, n, ret_name, err);
	if (r < 0)
		remove_adapter(buf_str(ret_name));
	return r;
}

static int ensure_adapter(struct machine *m, struct network *n, struct buf *ret_name, struct error *err)
{
	int r = network_parse(json_str_at(m->config, "Driver.HostOnlyCIDR", DEFAULT_CIDR), n, err);

	if (r == 0)
		r = check_collisions(n, err);
	if (r == 0)
		r = find_adapter(n, ret_name, err);
	if (r == 0)
		return make_adapter(m, n, ret_name, err);
	return r < 0 ? r : 0;
}

// 1 when the network has a DHCP server already: some VirtualBoxes give each new adapter one.
static int has_dhcp(const char *network_name, struct error *err)
{
	cleanup_buf struct buf list = BUF_INIT;
	size_t len = 0;

	int r = manage_output(&list, err, "list", "dhcpservers");
	if (r < 0)
		return r;
	for (const char *at = record_next(buf_str(&list), "NetworkName", &len); at;
	     at = record_next(at + len, "NetworkName", &len)) {
		cleanup_buf struct buf name = BUF_INIT;
		if (record_get(at, len, "NetworkName", &name) && strcmp(buf_str(&name), network_name) == 0)
			return 1;
	}
	return 0;
}

static int ensure_dhcp(const struct machine *m, const struct network *n, const char *adapter, struct error *err)
{
	struct dhcp_range range = network_dhcp_range(n);
	bool off = json_bool_at(m->config, "Driver.HostOnlyNoDHCP", false);
	cleanup_buf struct buf name = BUF_INIT;
	cleanup_buf struct buf server = BUF_INIT;
	cleanup_buf struct buf mask = BUF_INIT;
	cleanup_buf struct buf lower = BUF_INIT;
	cleanup_buf struct buf upper = BUF_INIT;

	buf_printf(&name, "%s%s", NETWORK_PREFIX, adapter);
	network_format(range.server, &server);
	network_format(n->mask, &mask);
	network_format(range.lower, &lower);
	network_format(range.upper, &upper);
	int r = has_dhcp(buf_str(&name), err);
	if (r < 0)
		return r;
	return manage(err, "dhcpserver", r ? "modify" : "add", "--netname", buf_str(&name), "--ip", buf_str(&server),
		      "--netmask", buf_str(&mask), "--lowerip", buf_str(&lower), "--upperip", buf_str(&upper),
		      off ? "--disable" : "--enable");
}

int network_set_up(struct machine *m, struct error *err)
{
	cleanup_buf struct buf adapter = BUF_INIT;
	struct network n = { 0 };

	int r = ensure_adapter(m, &n, &adapter, err);
	if (r == 0)
		r = ensure_dhcp(m, &n, buf_str(&adapter), err);
	if (r == 0)
		r = manage(err, "modifyvm", m->name, "--nic2", "hostonly", "--nictype2",
			   json_str_at(m->config, "Driver.HostOnlyNicType", "82540EM"), "--nicpromisc2",
			   json_str_at(m->config, "Driver.HostOnlyPromiscMode", "deny"), "--hostonlyadapter2",
			   buf_str(&adapter), "--cableconnected2", "on");
	return r < 0 ? error_wrap(err, "Error setting up host only network on machine start") : 0;
}
