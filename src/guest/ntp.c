// SPDX-License-Identifier: Apache-2.0
// The clock.
#include "ntp.h"

#include "dhcp.h"
#include "lib/strv.h"

#include <errno.h>

bool ntp_servers(const struct guest *g, const struct profile *p, struct strv *ret)
{
	static const char *const pool[] = { "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org",
					    NULL };

	cleanup_strv struct strv dhcp = STRV_INIT, given = STRV_INIT;

	strv_split(&given, p->values[PROFILE_NTP_SERVER], " \t\n");
	if (given.count == 0 && p->is_set[PROFILE_NTP_SERVER] && *p->values[PROFILE_NTP_SERVER])
		return false;
	dhcp_ntp_servers(g, &dhcp);
	if (given.count > 0)
		strv_push_all(ret, (const char *const *)given.items);
	else if (dhcp.count > 0)
		strv_push_all(ret, (const char *const *)dhcp.items);
	else
		strv_push_all(ret, pool);
	return true;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	struct profile profile;
	bool wanted;

	strv_push(&launch->argv, GUEST_PROGRAMS "/b2d-sntp");
	profile_evaluate(g, &profile);
	wanted = ntp_servers(g, &profile, &launch->argv);
	profile_done(&profile);
	return wanted ? 0 : error_say(err, ENODEV, "the profile turns it off");
}

const struct service_row ntp_service = {
	.name = "ntp",
	.prepare = prepare,
	.after = "engine-ready",
	.log = "/var/log/ntp.log",
	.stop_order = 2,
};
