// SPDX-License-Identifier: Apache-2.0
// What each hypervisor wants to run in its guests: services that start where its device is seen, and only there.
#pragma once

#include "services.h"

extern const struct service_row qemu_agent_service;
extern const struct service_row virtualbox_service;
extern const struct service_row xen_service;
extern const struct service_row hyperv_service; // Debian's hyperv-daemons
extern const struct service_row vmware_service; // open-vm-tools, where they are an extension
