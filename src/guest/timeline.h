// SPDX-License-Identifier: Apache-2.0
// The boot timeline: what ran from when to when. Kept as lines in a file, so that every process of the boot can add to it.
#pragma once

#include "guest.h"

#include <stdint.h>

enum timeline_kind { TIMELINE_KERNEL, TIMELINE_STEP, TIMELINE_SERVICE, TIMELINE_MARK };

struct timeline_row {
	enum timeline_kind kind;
	const char *name;
	const char *after; // names of the rows that it had to wait for, separated by blanks; NULL: none
	int64_t start_us,
		end_us; // as bootlog_now_us() has them; TIMELINE_NO_END: what goes on (services), or has no length
	bool failed;
};

#define TIMELINE_NO_END (-1)

// Adds a row. A timeline that cannot be written is not worth a failed boot: nothing is returned.
void timeline_add(const struct guest *g, const struct timeline_row *row);
// Adds a mark: what is reached now.
void timeline_mark(const struct guest *g, const char *name, const char *after);

// `boot-timeline [--json]`: prints the timeline of the running system.
int timeline_main(int argc, char **argv);
