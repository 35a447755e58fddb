// SPDX-License-Identifier: Apache-2.0
// Waiting for a machine, and showing what is waited for: a spinner on a terminal, a plain line now and then elsewhere.
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

struct machine;

struct wait {
	const char *what; // "Docker on \"default\""; borrowed
	int64_t started, next_line; // clock_ms
	bool terminal; // stderr is one
	bool colour; // and NO_COLOR is not set
	unsigned frame;
};

void wait_begin(struct wait *w, const char *what);
void wait_tick(struct wait *w); // call it some times a second
void wait_end(struct wait *w); // removes the spinner

// A timeout of this many milliseconds, longer where the user says by $B2D_READY_TIMEOUT that machines are slow here.
int wait_patiently(int ms);

// Waits until the machine's SSH answers, as machine_wait_ready does.
int machine_wait_ssh(struct machine *m, struct error *err) MUST_CHECK;
// Waits until the machine's engine answers over TLS and its SSH port does. Bounded; when it fails, the last lines of
// the guest's console are on stderr.
int machine_wait_ready(struct machine *m, struct error *err) MUST_CHECK;
