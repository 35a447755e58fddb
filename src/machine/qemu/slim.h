// SPDX-License-Identifier: Apache-2.0
// Leaves out of a machine's state, as QEMU writes it, the pages that hold nothing but zeros.
#pragma once

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct slim {
	struct buf in; // of a record that is not whole yet
	int part; // of the stream, see slim.c
	bool verbatim; // the rest goes through as it is
	uint32_t section; // the memory's
	bool is_main; // the block that records belong to now is the machine's main memory
	uint64_t reached; // main memory below this address has been told of
};
#define SLIM_INIT               \
	{                       \
		.in = BUF_INIT, \
	}
#define cleanup_slim CLEANUP(slim_done)
void slim_done(struct slim *s);
// Adds to `out` what is to be kept of the stream's next bytes. What it does not understand it keeps.
void slim_feed(struct slim *s, const void *data, size_t len, struct buf *out);
// Adds what was held back; the stream is over.
void slim_end(struct slim *s, struct buf *out);
