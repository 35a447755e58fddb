// SPDX-License-Identifier: Apache-2.0
// QEMU's guest agent (QEMU Guest Agent Protocol Reference): what it can do, and its life on a port.
#pragma once

#include "guest.h"
#include "lib/buf.h"

#include <stdint.h>

#define AGENT_FREEZE_MS 120000 // file systems are let go again after this, whether the host asks for it or not

// What changes the system; the tests put others in their place.
struct agent_system {
	int (*control)(const char *request, struct buf *ret, struct error *err); // PID 1's
	int (*set_clock)(int64_t ns, struct error *err); // since 1970; the RTC too
	int (*freeze)(const char *place, bool freeze, struct error *err); // -EBUSY, -EINVAL: it is already so
};

struct agent {
	const struct guest *guest;
	const struct agent_system *system;
	struct strv frozen; // mount points, in the order in which they were frozen
	int64_t thaw_ms; // clock_ms() when they are let go; 0: none is frozen
};

// Answers a request (JSON text): appends a line of JSON, or nothing where the protocol has no answer.
void agent_answer(struct agent *a, const char *text, size_t len, struct buf *ret);

// Lets go what an agent before this one has left frozen.
void agent_recover(struct agent *a);
// Lets go what has been frozen for too long. Returns the milliseconds until there is something to do; -1: nothing.
int agent_tick(struct agent *a);

// Serves the port until the fd `stop` can be read (0) or the port is gone (-ENODEV); nothing is frozen any more then.
int agent_serve(struct agent *a, int port, int stop, struct error *err) MUST_CHECK;
