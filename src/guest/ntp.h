// SPDX-License-Identifier: Apache-2.0
// The clock: b2d-sntp as a service, with the servers of the profile, of DHCP, or of the public pool.
#pragma once

#include "profile.h"
#include "services.h"

extern const struct service_row ntp_service;

// The servers to ask. False: the profile turns it off (NTP_SERVER is blank, but set).
bool ntp_servers(const struct guest *g, const struct profile *p, struct strv *ret);
