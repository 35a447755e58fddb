// SPDX-License-Identifier: Apache-2.0
// What a guest tells of its boot: the rows, and what they waited for.
#include "machine/boot-chart/timeline.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_buf struct buf text = BUF_INIT;

	if (boot_read((const char *)data, size, 1.5, &b, NULL) == 0)
		boot_summary(&b, &text);
	return 0;
}
