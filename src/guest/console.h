// SPDX-License-Identifier: Apache-2.0
// Consoles: a login shell for docker on tty1 and ttyS0, where those really are terminals; a root shell for rescue.
#pragma once

#include "services.h"

extern const struct service_row console_service; // an instance for each line
extern const struct service_row rescue_service; // not started by the boot
