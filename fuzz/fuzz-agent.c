// SPDX-License-Identifier: Apache-2.0
// Fuzzes what the host writes to the guest agent's port: finding requests, reading and answering them.
#include "guest/qemu_agent.h"
#include "guest/qemu_agent_reader.h"
#include "lib/json.h"

#include "quiet.h"

#include <assert.h>

static int control(const char *request, struct buf *ret, struct error *err)
{
	(void)request;
	(void)ret;
	(void)err;
	return 0;
}

static int set_clock(int64_t ns, struct error *err)
{
	(void)err;
	assert(ns >= 0);
	return 0;
}

static int freeze(const char *place, bool frozen, struct error *err)
{
	(void)place;
	(void)frozen;
	(void)err;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct agent_system system = { .control = control, .set_clock = set_clock, .freeze = freeze };
	static const struct guest guest = { .root = "/nonexistent" };
	struct agent agent = { .guest = &guest, .system = &system };
	struct agent_reader reader = { .depth = 0 };

	be_quiet();
	for (size_t i = 0; i < size; i++) {
		cleanup_buf struct buf answer = BUF_INIT;

		if (agent_reader_take(&reader, data[i]) == AGENT_REQUEST)
			agent_answer(&agent, reader.text.data, reader.text.len, &answer);
		assert(reader.text.len <= AGENT_REQUEST_MAX);
		assert(answer.len == 0 || answer.data[answer.len - 1] == '\n');
	}
	agent_reader_done(&reader);
	return 0;
}
