// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of what a shell printed after it evaluated the profile.
#include "guest/profile.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile p = { .env = STRV_INIT };

	(void)profile_parse_dump((const char *)data, size, &p);
	profile_done(&p);
	return 0;
}
