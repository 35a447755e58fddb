// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of DHCP leases: the input is an environment, one NAME=VALUE ended by NUL after the other.
#include "guest/dhcp.h"
#include "lib/alloc.h"
#include "lib/log.h"

#include <stdint.h>
#include <string.h>

static void no_sink(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_strv struct strv env = STRV_INIT;
	struct dhcp_lease lease;

	log_set_sink(no_sink, NULL);
	for (size_t at = 0; at < size; at += strnlen((const char *)data + at, size - at) + 1) {
		cleanup_free char *one = xstrndup((const char *)data + at, size - at);

		strv_push(&env, one);
	}
	if (env.count > 0 && dhcp_parse((const char *const *)env.items, &lease, NULL) == 0)
		dhcp_lease_done(&lease);
	return 0;
}
