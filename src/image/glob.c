// SPDX-License-Identifier: Apache-2.0
// Path patterns: fnmatch for the components, and `**` between them.

#include "image/glob.h"

#include <fnmatch.h>
#include <string.h>

bool glob_is_pattern(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

bool glob_match(const char *pattern, const char *path)
{
	const char *stars = strstr(pattern, "**");
	char head[4096];
	size_t len;

	if (!stars)
		return fnmatch(pattern, path, FNM_PATHNAME | FNM_NOESCAPE) == 0;
	len = (size_t)(stars - pattern);
	if (len >= sizeof(head))
		return false;
	// What is before `**` must match up to some point of the path, what is after it from a later point on.
	memcpy(head, pattern, len);
	head[len] = '\0';
	for (const char *cut = path;; cut++) {
		char part[4096];
		size_t part_len = (size_t)(cut - path);

		if (part_len >= sizeof(part))
			return false;
		memcpy(part, path, part_len);
		part[part_len] = '\0';
		if (fnmatch(head, part, FNM_PATHNAME | FNM_NOESCAPE) == 0) {
			for (const char *tail = cut;; tail++) {
				if (glob_match(stars + 2, tail))
					return true;
				if (!*tail)
					break;
			}
		}
		if (!*cut)
			return false;
	}
}
