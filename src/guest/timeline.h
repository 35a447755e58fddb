// SPDX-License-Identifier: Apache-2.0
// The boot timeline: what ran from when to when. Kept as lines in a file, so that every process of the boot can add to it.
#pragma once

#include "guest.h"

#include <stdint.h>

enum timeline_kind { TIMELINE_KERNEL, TIMELINE_STEP, TIMELINE_SERVICE, TIMELINE_MARK };

// Adds a row. Times are those of bootlog_now_us(); end is -1 for what goes on (services). `failed` is what it says.
// A timeline that cannot be written is not worth a failed boot: nothing is returned.
void timeline_add(const struct guest *g, enum timeline_kind kind, const char *name, int64_t start_us, int64_t end_us,
		  bool failed);

// `boot-timeline [--json]`: prints the timeline of the running system.
int timeline_main(int argc, char **argv);
