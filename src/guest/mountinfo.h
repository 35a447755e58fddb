// SPDX-License-Identifier: Apache-2.0
// Reading /proc/self/mountinfo (proc(5)): what is mounted where.
#pragma once

#include <stdbool.h>

#define MOUNTINFO_FILE "/proc/self/mountinfo"
#define MOUNTINFO_MAX (4 * 1024 * 1024)

// Borrowed from the line; "" where the line has no such field.
struct mountinfo {
	const char *device; // "254:1"
	const char *place;
	const char *options; // of this mount: "rw,nosuid"
	const char *type, *source;
};

// Splits one line in place. False: it names no place.
bool mountinfo_split(char *line, struct mountinfo *ret);
