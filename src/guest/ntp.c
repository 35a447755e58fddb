// SPDX-License-Identifier: Apache-2.0
// The clock.
#include "ntp.h"

#include "control.h"
#include "dhcp.h"
#include "lib/alloc.h"
#include "lib/log.h"
#include "lib/strv.h"

#include <errno.h>
#include <string.h>

#define NOTE GUEST_RUN "/ntp"
#define OFF "off"

void ntp_again(void)
{
	cleanup_buf struct buf answer = BUF_INIT;
	struct error err = ERROR_INIT;

	if (control_ask("restart ntp", &answer, &err) < 0)
		log_debug("time service: %s", err.msg); // not started yet
}

void ntp_note(const struct guest *g, const struct profile *p)
{
	const char *value = p->values[PROFILE_NTP_SERVER];
	bool blank = strspn(value, " \t\n") == strlen(value);
	const char *text = !blank ? value : p->is_set[PROFILE_NTP_SERVER] && *value ? OFF : "";
	cleanup_free char *before = guest_read(g, NOTE);
	struct error err = ERROR_INIT;

	if (before && strcmp(before, text) == 0)
		return;
	if (guest_write(g, NOTE, text, &err) < 0)
		log_warn("time servers: %s", err.msg);
	else if (before)
		ntp_again();
}

bool ntp_servers(const struct guest *g, struct strv *ret)
{
	static const char *const pool[] = { "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org",
					    NULL };
	cleanup_free char *note = guest_read(g, NOTE);
	size_t before = ret->count;

	if (note && strcmp(note, OFF) == 0)
		return false;
	strv_split(ret, note ? note : "", " \t\n");
	if (ret->count == before)
		dhcp_ntp_servers(g, ret);
	if (ret->count == before)
		strv_push_all(ret, pool);
	return true;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	strv_push(&launch->argv, GUEST_PROGRAMS "/b2d-sntp");
	return ntp_servers(g, &launch->argv) ? 0 : error_say(err, ENODEV, "the profile turns it off");
}

const struct service_row ntp_service = {
	.name = "ntp",
	.prepare = prepare,
	.after = "engine-ready",
	.log = "/var/log/ntp.log",
	.stop_order = 2,
};
