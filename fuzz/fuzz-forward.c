// SPDX-License-Identifier: Apache-2.0
// An engine's list of containers, or the table of QEMU's user network: which ports it tells of.
#include "lib/alloc.h"
#include "lib/json.h"
#include "machine/qemu/forward.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup(size ? (const char *)data : "", size);
	cleanup_forwards struct forwards f = { 0 };
	cleanup_json json_t *containers = NULL;

	if (json_read_text((const char *)data, size, "input", &containers, NULL) == 0)
		forwards_from_containers(containers, &f);
	forwards_from_usernet(text, "127.0.0.1", &f);
	return 0;
}
