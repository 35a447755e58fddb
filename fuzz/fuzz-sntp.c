// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of a time server's answers. Its cookie is the one of the seeds.
#include "guest/sntp_packet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	double at;

	if (sntp_answer(data, size, 0x0102030405060708, 1, &at, NULL) == 0)
		assert(at > -2208988800.0 && at < 2 * 4294967296.0);
	return 0;
}
