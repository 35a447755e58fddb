// SPDX-License-Identifier: Apache-2.0
// How far a transfer is: a bar on a terminal, a line per 10 % elsewhere.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; // borrowed
	bool terminal; // stderr is one
	bool shown;
	int64_t started, next; // clock_ms
	int tenths; // that were told
};

void progress_begin(struct progress *p, const char *what);
// `total` 0: not known.
void progress_show(struct progress *p, long long done, long long total);
void progress_end(struct progress *p);
