// SPDX-License-Identifier: Apache-2.0
// Fuzzes the naming rule of shared folders: whatever a share is called, it is mounted below / and hides nothing of the system.
#include "guest/shares.h"
#include "lib/alloc.h"
#include "lib/path.h"

#include <stdint.h>
#include <string.h>

static void check(const char *target)
{
	static const char *const system[] = { "/usr", "/etc", "/var", "/home/docker", "/proc" };

	if (target[0] != '/' || !path_is_safe_relative(target + 1))
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(system); i++) {
		size_t len = strlen(system[i]);

		if (strncmp(target, system[i], len) == 0 && (target[len] == '\0' || target[len] == '/'))
			abort();
	}
	for (const char *p = target; *p; p++)
		if ((unsigned char)*p < ' ' || (p[0] == '/' && p[1] == '/'))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *name = xstrndup((const char *)data, size);
	cleanup_free char *target = NULL;

	if (share_target(name, &target, NULL) == 0)
		check(target);
	return 0;
}
