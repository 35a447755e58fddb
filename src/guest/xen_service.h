// SPDX-License-Identifier: Apache-2.0
// What XenServer and XCP-ng look for in a guest's part of XenStore (xe-guest-utilities' names).
#pragma once

#include "guest.h"
#include "told.h"
#include "xenstore.h"

// Tells what has changed: that there is an agent, the system's name, and the addresses of its network cards.
int xen_tell(const struct guest *g, struct xenstore *x, struct told *told, struct error *err) MUST_CHECK;
