// SPDX-License-Identifier: Apache-2.0
// What the guest wrote to its console, which the driver keeps in a file.
#pragma once

#include <stdbool.h>

struct machine;

// Prints the last lines to stderr, without control characters.
void console_show(const struct machine *m);
// True when the last lines tell of a kernel panic from which the guest does not come back by itself.
bool console_has_panic(const struct machine *m);
