// SPDX-License-Identifier: Apache-2.0
// Fuzzes the readers of a profile without a shell, and of what a shell printed after it evaluated one.
#include "guest/assignments.h"
#include "guest/profile.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile p = { .env = STRV_INIT };
	struct assignments a;

	if (assignments_read((const char *)data, size, &a))
		assignments_done(&a);
	(void)profile_parse_dump((const char *)data, size, &p);
	profile_done(&p);
	return 0;
}
