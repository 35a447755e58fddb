// SPDX-License-Identifier: Apache-2.0
// Reading /etc/os-release.
#include "osrelease.h"

#include "lib/alloc.h"

#include <string.h>

char *osrelease_get(const struct guest *g, const char *key)
{
	cleanup_free char *text = guest_read(g, "/etc/os-release");
	cleanup_strv struct strv lines = STRV_INIT;
	size_t len = strlen(key);

	strv_split(&lines, text ? text : "", "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *value = lines.items[i] + len + 1;

		if (strncmp(lines.items[i], key, len) != 0 || lines.items[i][len] != '=')
			continue;
		if (*value == '"' || *value == '\'')
			return xstrndup(value + 1, strcspn(value + 1, "\"'"));
		return xstrdup(value);
	}
	return NULL;
}
