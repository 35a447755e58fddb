// SPDX-License-Identifier: Apache-2.0
// Finds the requests in what the host writes to the guest agent's port: JSON objects in a stream of bytes.
//
// The byte 0xff, which no JSON has, begins anew whatever was half there (guest-sync-delimited, QEMU's qga/qapi-schema.json).
// After anything that is no object, what follows up to the next line or 0xff is dropped.
#pragma once

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define AGENT_REQUEST_MAX 65536 // bytes; longer ones are dropped

struct agent_reader {
	struct buf text; // of the object that is being read
	int depth;
	bool in_string, escaped, dropping, complete;
};

enum agent_read {
	AGENT_NOTHING, // not yet
	AGENT_REQUEST, // `text` is an object, as far as its brackets go
	AGENT_GARBAGE, // something that was no object has ended
};

// Takes the next byte. After AGENT_REQUEST `text` is good until the next call.
enum agent_read agent_reader_take(struct agent_reader *r, uint8_t byte);
// Forgets what is half there.
void agent_reader_reset(struct agent_reader *r);
void agent_reader_done(struct agent_reader *r);
