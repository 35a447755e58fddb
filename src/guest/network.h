// SPDX-License-Identifier: Apache-2.0
// Network interfaces, directly through the kernel's interfaces: no program is run for them.
#pragma once

#include "guest.h"
#include "lib/strv.h"

#include <arpa/inet.h>

// Step: the loopback interface.
int network_loopback(struct guest *g, struct error *err) MUST_CHECK;

// Whether ROOT/sys says that this is an Ethernet interface of a device: not a bridge, veth, tunnel, radio.
bool network_is_ethernet(const struct guest *g, const char *interface);
// The Ethernet interfaces there are, sorted.
void network_list_ethernet(const struct guest *g, struct strv *ret);

int network_link_up(const char *interface, struct error *err) MUST_CHECK;
int network_set_mtu(const char *interface, int mtu, struct error *err) MUST_CHECK;
#define NETWORK_MAC_LEN 6
int network_set_mac(const char *interface, const uint8_t mac[static NETWORK_MAC_LEN], struct error *err) MUST_CHECK;
// The one IPv4 address of the interface; replaces the one it had. 0.0.0.0 takes it away.
int network_set_address(const char *interface, struct in_addr address, struct in_addr mask,
			struct error *err) MUST_CHECK;
// Adds a default route; one that is there already is success.
int network_add_default(const char *interface, struct in_addr gateway, int metric, struct error *err) MUST_CHECK;
// Every address of the interface as text, link-local ones left out.
void network_addresses(const char *interface, struct strv *ret);
