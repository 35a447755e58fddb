// SPDX-License-Identifier: Apache-2.0
// Ports of 127.0.0.1 that machines forward.
#pragma once

#include "lib/error.h"

struct machine;

enum { FIRST_SSH_PORT = 2222, FIRST_ENGINE_PORT = 2376 };

// Puts a port that is free into the field of config.json's "Driver": the one that is there when it can be had, else (0, or
// taken: then a warning) the next one from there or from `first` on that is free and that no machine of the store has.
int ports_settle(struct machine *m, const char *field, int first, struct error *err) MUST_CHECK;
