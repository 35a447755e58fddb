// SPDX-License-Identifier: Apache-2.0
// What the guest agent tells of the system, in the words of QEMU's protocol.
#pragma once

#include "guest.h"
#include "lib/json.h"

// GuestNetworkInterface[]: every interface with its addresses and counters. Never NULL.
json_t *agent_interfaces(const struct guest *g);
// GuestOSInfo: kernel and /etc/os-release. Never NULL.
json_t *agent_osinfo(const struct guest *g);
