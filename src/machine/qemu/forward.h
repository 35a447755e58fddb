// SPDX-License-Identifier: Apache-2.0
// Which ports containers publish, and which of them QEMU forwards to this host.
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct forward {
	bool udp;
	int port; // of the host and of the machine
};

struct forwards {
	struct forward *items; // no two the same
	size_t count;
};

#define cleanup_forwards CLEANUP(forwards_done)

void forwards_done(struct forwards *f);
bool forwards_has(const struct forwards *f, struct forward one);
void forwards_add(struct forwards *f, struct forward one);

// The ports in the engine's answer to GET /containers/json that are published on the machine's addresses: not those on its
// loopback alone. What is not as expected in it is passed over.
void forwards_from_containers(const json_t *containers, struct forwards *ret);
// The ports that QEMU's user network forwards from `address`, out of what its monitor prints for "info usernet".
void forwards_from_usernet(const char *text, const char *address, struct forwards *ret);
