// SPDX-License-Identifier: Apache-2.0
// Network interfaces through the kernel's socket ioctls.
#include "network.h"

#include "lib/alloc.h"
#include "lib/log.h"
#include "lib/path.h"

#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int open_socket(struct error *err)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? error_set(err, errno, "open a socket for network settings") : fd;
}

static int request_for(const char *interface, struct ifreq *ret, struct error *err)
{
	*ret = (struct ifreq){ .ifr_flags = 0 };
	if (!path_is_component(interface) || strlen(interface) >= sizeof(ret->ifr_name))
		return error_say(err, EINVAL, "\"%.40s\" is not the name of a network interface", interface);
	memcpy(ret->ifr_name, interface, strlen(interface) + 1);
	return 0;
}

static int change(const char *interface, unsigned long what, struct ifreq *request, const char *words,
		  struct error *err)
{
	cleanup_close int fd = open_socket(err);

	if (fd < 0)
		return fd;
	if (ioctl(fd, what, request) < 0)
		return error_set(err, errno, "%s of %s", words, interface);
	return 0;
}

int network_link_up(const char *interface, struct error *err)
{
	struct ifreq request;
	int r = request_for(interface, &request, err);

	if (r == 0)
		r = change(interface, SIOCGIFFLAGS, &request, "get the flags", err);
	if (r < 0)
		return r;
	request.ifr_flags |= IFF_UP;
	return change(interface, SIOCSIFFLAGS, &request, "set the flags", err);
}

int network_set_mtu(const char *interface, int mtu, struct error *err)
{
	struct ifreq request;
	int r = request_for(interface, &request, err);

	if (r < 0)
		return r;
	request.ifr_mtu = mtu;
	return change(interface, SIOCSIFMTU, &request, "set the MTU", err);
}

int network_set_mac(const char *interface, const uint8_t mac[static NETWORK_MAC_LEN], struct error *err)
{
	struct ifreq request;
	int r = request_for(interface, &request, err);

	if (r < 0)
		return r;
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, NETWORK_MAC_LEN);
	return change(interface, SIOCSIFHWADDR, &request, "set the MAC address", err);
}

static void set_in(struct sockaddr *ret, struct in_addr address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = address };

	memcpy(ret, &in, sizeof(in));
}

int network_set_address(const char *interface, struct in_addr address, struct in_addr mask, struct error *err)
{
	struct ifreq request;
	int r = request_for(interface, &request, err);

	if (r < 0)
		return r;
	set_in(&request.ifr_addr, address);
	r = change(interface, SIOCSIFADDR, &request, "set the address", err);
	if (r < 0 || address.s_addr == INADDR_ANY)
		return r;
	set_in(&request.ifr_netmask, mask);
	r = change(interface, SIOCSIFNETMASK, &request, "set the netmask", err);
	if (r < 0 || mask.s_addr == INADDR_NONE) // a /32 has no broadcast address
		return r;
	set_in(&request.ifr_broadaddr, (struct in_addr){ address.s_addr | ~mask.s_addr });
	return change(interface, SIOCSIFBRDADDR, &request, "set the broadcast address", err);
}

static int add_route(const char *interface, struct in_addr to, struct in_addr mask, struct in_addr gateway, int metric,
		     struct error *err)
{
	cleanup_close int fd = open_socket(err);
	cleanup_free char *device = xstrdup(interface);
	struct rtentry route = { .rt_flags = RTF_UP, .rt_metric = (short)(metric + 1), .rt_dev = device };

	if (fd < 0)
		return fd;
	set_in(&route.rt_dst, to);
	set_in(&route.rt_genmask, mask);
	set_in(&route.rt_gateway, gateway);
	if (gateway.s_addr != INADDR_ANY)
		route.rt_flags |= RTF_GATEWAY;
	if (mask.s_addr == INADDR_NONE)
		route.rt_flags |= RTF_HOST;
	if (ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST)
		return error_set(err, errno, "add a route through %s", interface);
	return 0;
}

int network_add_default(const char *interface, struct in_addr gateway, int metric, struct error *err)
{
	const struct in_addr any = { INADDR_ANY }, host = { INADDR_NONE };
	int r = add_route(interface, any, any, gateway, metric, err);

	if (r != -ENETUNREACH)
		return r;
	// The gateway is outside the subnet, as clouds have it: reach it directly first.
	error_clear(err);
	r = add_route(interface, gateway, host, any, metric, err);
	return r < 0 ? r : add_route(interface, any, any, gateway, metric, err);
}

int network_loopback(struct guest *g, struct error *err)
{
	(void)g;
	return network_link_up("lo", err);
}

bool network_is_ethernet(const struct guest *g, const char *interface)
{
	cleanup_free char *type_path = xasprintf("/sys/class/net/%s/type", interface);
	cleanup_free char *device = xasprintf("%s/sys/class/net/%s/device", g->root, interface);
	cleanup_free char *wireless = xasprintf("%s/sys/class/net/%s/wireless", g->root, interface);
	cleanup_free char *type = NULL;
	struct stat st;

	if (!path_is_component(interface))
		return false;
	type = guest_read(g, type_path);
	return type && strcmp(type, "1") == 0 && stat(device, &st) == 0 && stat(wireless, &st) < 0;
}

void network_list_ethernet(const struct guest *g, struct strv *ret)
{
	cleanup_free char *path = guest_path(g, "/sys/class/net");
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (network_is_ethernet(g, entry->d_name))
			strv_push(ret, entry->d_name);
	closedir(dir);
	strv_sort(ret);
}

static void push_address(const struct sockaddr *address, struct strv *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		strv_push(ret, inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)address;

		if (!IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr))
			strv_push(ret, inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text)));
	}
}

void network_addresses(const char *interface, struct strv *ret)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *one = all; one; one = one->ifa_next)
		if (one->ifa_addr && strcmp(one->ifa_name, interface) == 0)
			push_address(one->ifa_addr, ret);
	freeifaddrs(all);
}
