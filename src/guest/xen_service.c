// SPDX-License-Identifier: Apache-2.0
// Xen's guest properties.
#include "xen_service.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/number.h"
#include "network.h"
#include "osrelease.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#define AGENT "attr/PVAddons/Installed"
#define UPDATED "data/updated" // xapi looks at the rest again when this changes

static void want_system(const struct guest *g, struct told *w)
{
	// The version is that of the xe-guest-utilities whose names these are.
	static const char *const version[][2] = {
		{ "Major", "7" }, { "Minor", "30" }, { "Micro", "0" }, { "Build", "0" }
	};
	cleanup_free char *name = osrelease_get(g, "PRETTY_NAME"), *id = osrelease_get(g, "VERSION_ID");
	const char *minor = id ? strchr(id, '.') : NULL;
	struct utsname kernel;

	uname(&kernel);
	for (size_t i = 0; i < ARRAY_SIZE(version); i++)
		told_addf(w, version[i][1], "attr/PVAddons/%sVersion", version[i][0]);
	told_add(w, AGENT, "1");
	told_add(w, "attr/os/class", "linux");
	told_add(w, "data/os_distro", "boot2docker");
	told_add(w, "data/os_name", name ? name : "Boot2Docker");
	told_add(w, "data/os_uname", kernel.release);
	if (!id)
		return;
	told_add(w, "data/os_minorver", minor ? minor + 1 : "0");
	id[strcspn(id, ".")] = '\0';
	told_add(w, "data/os_majorver", id);
}

// The number of a card's virtual interface: it is "device/vif/NUMBER" of XenStore. -1: another kind of card.
static int vif_of(const struct guest *g, const char *card)
{
	cleanup_free char *path = xasprintf("/sys/class/net/%s/device/nodename", card);
	cleanup_free char *node = guest_read(g, path);
	int number;

	if (!node || strncmp(node, "device/vif/", 11) != 0 || number_parse_int(node + 11, 0, 1000, &number, NULL) < 0)
		return -1;
	return number;
}

static void want_addresses(struct told *w, const char *card, int vif)
{
	cleanup_strv struct strv addresses = STRV_INIT;
	int counts[2] = { 0, 0 };

	network_addresses(card, &addresses);
	for (size_t i = 0; i < addresses.count; i++) {
		bool is_v6 = strchr(addresses.items[i], ':');

		told_addf(w, addresses.items[i], "attr/vif/%d/ipv%d/%d", vif, is_v6 ? 6 : 4, counts[is_v6]++);
	}
}

static int tell(void *arg, const char *name, const char *value, struct error *err)
{
	struct xenstore *x = arg;

	return value ? xenstore_write(x, name, value, err) : xenstore_remove(x, name, err);
}

// A machine that was moved to another host has an empty part of XenStore there.
static bool is_forgotten(struct xenstore *x)
{
	cleanup_buf struct buf value = BUF_INIT;

	return xenstore_read(x, AGENT, &value, NULL) == -ENOENT;
}

int xen_tell(const struct guest *g, struct xenstore *x, struct told *told, struct error *err)
{
	cleanup_strv struct strv cards = STRV_INIT;
	cleanup_free char *now = xasprintf("%lld", (long long)clock_ms());
	struct told wanted = TOLD_INIT;
	int r;

	if (is_forgotten(x))
		told_done(told);
	want_system(g, &wanted);
	network_list_ethernet(g, &cards);
	for (size_t i = 0; i < cards.count; i++) {
		int vif = vif_of(g, cards.items[i]);

		if (vif >= 0)
			want_addresses(&wanted, cards.items[i], vif);
	}
	r = told_update(told, &wanted, tell, x, err);
	return r > 0 ? xenstore_write(x, UPDATED, now, err) : r;
}
