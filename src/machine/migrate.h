// SPDX-License-Identifier: Apache-2.0
// Stores of older versions of Docker Machine.
#pragma once

#include <jansson.h>

struct machine;

// Brings a config.json of version 0, 1 or 2 to version 3, in memory; the next machine_save writes it. What is not understood
// stays as it is.
void migrate_config(const struct machine *m);
