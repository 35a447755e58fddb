// SPDX-License-Identifier: Apache-2.0
// What /etc/os-release says of the system (os-release(5)).
#pragma once

#include "guest.h"

// The value of a key, without its quotes; NULL when there is none. The caller frees.
char *osrelease_get(const struct guest *g, const char *key);
