// SPDX-License-Identifier: Apache-2.0
// The main function of the small services that talk to a hypervisor through a device.
#pragma once

#include "guest.h"

// Runs `serve`, which ends only with an error, and logs that under the name of the hypervisor. Returns the exit status: one that
// tells PID 1 not to start the service again when its device is not there (child.h).
int service_main(const char *hypervisor, int (*serve)(const struct guest *g, struct error *err)) MUST_CHECK;
