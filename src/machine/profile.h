// SPDX-License-Identifier: Apache-2.0
// The engine's profile, /var/lib/boot2docker/profile, as the host writes it.
#pragma once

#include "lib/buf.h"

#include <jansson.h>

// The profile, in the shape Docker Machine writes it, from the engine's options in config.json. What the user gave
// stays data: nothing in it is run by the shell that reads the profile.
void profile_write(const json_t *config, struct buf *ret);
