// SPDX-License-Identifier: Apache-2.0
// DHCP: busybox's udhcpc on each Ethernet interface, and our own code for what it says.
//
// udhcpc runs its script (this program by the name dhcp-event) with the event as argument and what the server sent in the
// environment. The server is not trusted: every value is checked, and what is not well-formed is dropped with a log line.
#pragma once

#include "guest.h"
#include "lib/buf.h"
#include "lib/strv.h"
#include "services.h"

#include <arpa/inet.h>

struct dhcp_lease {
	struct in_addr address, mask, router; // router 0.0.0.0: none
	int mtu; // 0: not given
	struct strv dns, ntp; // IPv4 addresses as text
	struct strv search; // domain names
	char *hostname; // NULL: not given
};

// Reads a lease from an environment. -EBADMSG when there is no usable address; other bad values are dropped and logged.
int dhcp_parse(const char *const *env, struct dhcp_lease *ret, struct error *err) MUST_CHECK;
void dhcp_lease_done(struct dhcp_lease *lease);

// The text of resolv.conf from the notes that the interfaces' leases left below GUEST_RUN/dhcp.
void dhcp_resolv_conf(const struct guest *g, struct buf *ret);
// NTP servers from all leases.
void dhcp_ntp_servers(const struct guest *g, struct strv *ret);
// Puts down what a lease says for the others (notes, resolv.conf). interface was checked.
int dhcp_note(const struct guest *g, const char *interface, const struct dhcp_lease *lease,
	      struct error *err) MUST_CHECK;

// The service, one instance for each interface.
extern const struct service_row dhcp_service;
// Step: /etc/resolv.conf before (or without) any lease.
int dhcp_fallback(struct guest *g, struct error *err) MUST_CHECK;
// udhcpc's script.
int dhcp_event_main(int argc, char **argv);
