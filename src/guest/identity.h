// SPDX-License-Identifier: Apache-2.0
// What tells this machine from others that began as the same template, as far as it is not in what the host gives them.
#pragma once

#include "guest.h"

// Each draws identifiers anew, and writes down what has to last.
// The engine's. The one made from source takes it up at the next request, and gives its networks others, too.
int identity_engine(const struct guest *g, const char *docker_dir, struct error *err) MUST_CHECK;
// The file system's with the data.
int identity_volume(struct guest *g, struct error *err) MUST_CHECK;
// Those of the data disk's partition table and swap space.
int identity_disk(struct guest *g, struct error *err) MUST_CHECK;
// The MAC address of the engine's default bridge.
int identity_bridge(struct guest *g, struct error *err) MUST_CHECK;
