// SPDX-License-Identifier: Apache-2.0
// Interfaces and operating system for the guest agent.
#include "qemu_agent_facts.h"

#include "lib/alloc.h"
#include "lib/number.h"
#include "osrelease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/utsname.h>

static unsigned count_bits(const uint8_t *bytes, size_t len)
{
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(bytes[i]);
	return bits;
}

static json_t *ip_address(const struct ifaddrs *one)
{
	bool is_v4 = one->ifa_addr->sa_family == AF_INET;
	const struct sockaddr_in *v4 = (const void *)one->ifa_addr, *mask4 = (const void *)one->ifa_netmask;
	const struct sockaddr_in6 *v6 = (const void *)one->ifa_addr, *mask6 = (const void *)one->ifa_netmask;
	char text[INET6_ADDRSTRLEN] = "";
	unsigned prefix = 0;

	inet_ntop(one->ifa_addr->sa_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, text, sizeof(text));
	if (one->ifa_netmask)
		prefix = is_v4 ? count_bits((const void *)&mask4->sin_addr, 4)
			       : count_bits(mask6->sin6_addr.s6_addr, 16);
	return json_pack("{s:s, s:s, s:i}", "ip-address", text, "ip-address-type", is_v4 ? "ipv4" : "ipv6", "prefix",
			 (int)prefix);
}

static json_t *hardware_address(const struct sockaddr_ll *link)
{
	const unsigned char *b = link->sll_addr;

	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

// The kernel's counters, under the names that the protocol gives them.
static json_t *statistics(const struct guest *g, const char *interface)
{
	static const char *const counters[][2] = {
		{ "rx-bytes", "rx_bytes" },     { "rx-packets", "rx_packets" }, { "rx-errs", "rx_errors" },
		{ "rx-dropped", "rx_dropped" }, { "tx-bytes", "tx_bytes" },     { "tx-packets", "tx_packets" },
		{ "tx-errs", "tx_errors" },     { "tx-dropped", "tx_dropped" },
	};
	json_t *all = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		cleanup_free char *path = xasprintf("/sys/class/net/%s/statistics/%s", interface, counters[i][1]);
		cleanup_free char *text = guest_read(g, path);
		uint64_t value = 0;

		if (text && number_parse_u64(text, 0, INT64_MAX, &value, NULL) == 0)
			json_object_set_new(all, counters[i][0], json_integer((json_int_t)value));
	}
	return all;
}

// The interface's entry in the list, made when it is not there yet.
static json_t *entry_of(const struct guest *g, json_t *list, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) if (strcmp(json_str_at(entry, "name", ""), name) == 0) return entry;
	entry = json_object();
	json_object_set_new(entry, "name", json_text(name));
	json_object_set_new(entry, "ip-addresses", json_array());
	json_object_set_new(entry, "statistics", statistics(g, name));
	json_array_append_new(list, entry);
	return entry;
}

json_t *agent_interfaces(const struct guest *g)
{
	json_t *list = json_array();
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return list;
	for (struct ifaddrs *one = all; one; one = one->ifa_next) {
		json_t *entry = entry_of(g, list, one->ifa_name);
		int family = one->ifa_addr ? one->ifa_addr->sa_family : AF_UNSPEC;

		if (family == AF_INET || family == AF_INET6)
			json_array_append_new(json_object_get(entry, "ip-addresses"), ip_address(one));
		else if (family == AF_PACKET &&
			 ((const struct sockaddr_ll *)(const void *)one->ifa_addr)->sll_halen == 6)
			json_object_set_new(entry, "hardware-address", hardware_address((const void *)one->ifa_addr));
	}
	freeifaddrs(all);
	return list;
}

json_t *agent_osinfo(const struct guest *g)
{
	static const char *const fields[][2] = {
		{ "ID", "id" },
		{ "NAME", "name" },
		{ "PRETTY_NAME", "pretty-name" },
		{ "VERSION", "version" },
		{ "VERSION_ID", "version-id" },
	};
	struct utsname kernel;
	json_t *info;

	uname(&kernel);
	info = json_pack("{s:s, s:s, s:s}", "kernel-release", kernel.release, "kernel-version", kernel.version,
			 "machine", kernel.machine);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		cleanup_free char *value = osrelease_get(g, fields[i][0]);

		if (value)
			json_object_set_new(info, fields[i][1], json_text(value));
	}
	return info;
}
