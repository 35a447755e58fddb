// SPDX-License-Identifier: Apache-2.0
// The clock: b2d-sntp as a service, with the servers of the profile, of DHCP, or of the public pool.
#pragma once

#include "profile.h"
#include "services.h"

extern const struct service_row ntp_service;

// Notes what the profile says, for ntp_servers: the profile is evaluated by the engine's start, and only there. When it says
// something else than last time, the service is started again.
void ntp_note(const struct guest *g, const struct profile *p);
// The servers to ask. False: the profile turns it off (NTP_SERVER is blank, but set).
bool ntp_servers(const struct guest *g, struct strv *ret);
// Other servers are to be asked (a lease came): starts the service again, when the boot has started it before.
void ntp_again(void);
