// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of Debian packages.
#include "image/deb.h"

#include <stdint.h>
#include <stdlib.h>

static bool want_all(const char *path, void *arg)
{
	(void)path, (void)arg;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deb d;

	if (deb_read_memory(data, size, "fuzz.deb", want_all, NULL, &d, NULL) < 0)
		return 0;
	// Whatever was accepted keeps what the header promises.
	for (size_t i = 0; i < d.count; i++) {
		if (d.entries[i].path[0] != '/' || !deb_find(&d, d.entries[i].path))
			abort();
	}
	deb_done(&d);
	return 0;
}
