// SPDX-License-Identifier: Apache-2.0
// VirtualBox's clock and guest properties.
#include "vbox_service.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "network.h"

#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/utsname.h>

#define TOLERANCE_MS 500
#define FIRST_MS 1000 // a clock this far off at the start is wrong, by the RTC having local time for example
#define GUEST_INFO "/VirtualBox/GuestInfo/"
#define OF_NET "TRANSIENT, TRANSRESET" // gone with the machine's power

bool vbox_clock_add(struct vbox_clock *c, const struct vbox_reading *r, int64_t *ret_ms)
{
	int64_t ahead = r->host_ms - r->own_ms, base = r->host_ms - r->boot_ms;
	int64_t missed = c->is_known ? base - c->host_less_boot_ms : 0;
	bool was_known = c->is_known;

	c->is_known = true;
	c->host_less_boot_ms = base;
	if (!was_known && llabs(ahead) > FIRST_MS) {
		c->ahead_ms = 0;
		*ret_ms = r->host_ms;
		return true;
	}
	if (missed > TOLERANCE_MS && llabs(ahead - c->ahead_ms) > TOLERANCE_MS) {
		*ret_ms = r->host_ms - c->ahead_ms;
		return true;
	}
	if (missed <= TOLERANCE_MS)
		c->ahead_ms = ahead;
	return false;
}

// --- properties

static void want_address(struct told *w, int number, const char *what, const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const void *)address;
	char text[INET_ADDRSTRLEN] = "0.0.0.0";

	if (in)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	told_addf(w, text, GUEST_INFO "Net/%d/V4/%s", number, what);
}

// Its first IPv4 address.
static void want_v4(struct told *w, const struct ifaddrs *all, int number, const char *card)
{
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || strcmp(one->ifa_name, card) != 0)
			continue;
		want_address(w, number, "IP", one->ifa_addr);
		want_address(w, number, "Netmask", one->ifa_netmask);
		want_address(w, number, "Broadcast", one->ifa_flags & IFF_BROADCAST ? one->ifa_broadaddr : NULL);
		return;
	}
}

static void want_card(const struct guest *g, struct told *w, const struct ifaddrs *all, int number, const char *card)
{
	cleanup_free char *address_path = xasprintf("/sys/class/net/%s/address", card);
	cleanup_free char *state_path = xasprintf("/sys/class/net/%s/operstate", card);
	cleanup_free char *address = guest_read(g, address_path), *state = guest_read(g, state_path);
	cleanup_buf struct buf mac = BUF_INIT; // as VirtualBox writes it: "0800274D7BBA"

	for (const char *p = address ? address : ""; *p; p++)
		if (*p != ':')
			buf_putc(&mac, (char)toupper((unsigned char)*p));
	told_addf(w, card, GUEST_INFO "Net/%d/Name", number);
	told_addf(w, buf_str(&mac), GUEST_INFO "Net/%d/MAC", number);
	told_addf(w, state && strcmp(state, "up") == 0 ? "Up" : "Down", GUEST_INFO "Net/%d/Status", number);
	want_v4(w, all, number, card);
}

static void collect(const struct guest *g, struct told *w)
{
	cleanup_strv struct strv cards = STRV_INIT;
	cleanup_free char *count = NULL;
	struct ifaddrs *all = NULL;
	struct utsname kernel;

	uname(&kernel);
	told_add(w, GUEST_INFO "OS/Product", "Linux");
	told_add(w, GUEST_INFO "OS/Release", kernel.release);
	told_add(w, GUEST_INFO "OS/Version", kernel.version);
	network_list_ethernet(g, &cards);
	if (getifaddrs(&all) < 0)
		all = NULL;
	for (size_t i = 0; i < cards.count; i++)
		want_card(g, w, all, (int)i, cards.items[i]);
	if (all)
		freeifaddrs(all);
	count = xasprintf("%zu", cards.count);
	told_add(w, GUEST_INFO "Net/Count", count);
}

struct teller {
	const struct vbox *v;
	uint32_t client;
};

static int tell(void *arg, const char *name, const char *value, struct error *err)
{
	const struct teller *t = arg;

	if (!value)
		return vbox_delete_property(t->v, t->client, name, err);
	return vbox_set_property(t->v, t->client, name, value, strstr(name, "/Net/") ? OF_NET : "", err);
}

int vbox_tell(const struct guest *g, const struct vbox *v, uint32_t client, struct told *told, struct error *err)
{
	struct told wanted = TOLD_INIT;

	collect(g, &wanted);
	return told_update(told, &wanted, tell, &(struct teller){ v, client }, err);
}
