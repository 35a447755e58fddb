// SPDX-License-Identifier: Apache-2.0
// How the system ends: power off, reboot, halt, and the button that asks for it.
#pragma once

#include "guest.h"
#include "services.h"

enum power_action { POWER_NONE, POWER_OFF, POWER_REBOOT, POWER_HALT };

const char *power_name(enum power_action action); // "poweroff", "reboot", "halt"

// Opens an input device (/dev/input/NAME) when it has a power key; -ENODEV when it has none.
int power_open_button(const struct guest *g, const char *name, int *ret_fd, struct error *err) MUST_CHECK;
// Reads what has come: true when the key was pressed. *ret_gone: the device is gone.
bool power_button_pressed(int fd, bool *ret_gone);
