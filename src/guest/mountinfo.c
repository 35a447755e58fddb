// SPDX-License-Identifier: Apache-2.0
// Lines of mountinfo.
#include "mountinfo.h"

#include <stddef.h>
#include <string.h>

// Blanks and such in names are written as three octal digits.
static void unescape(char *text)
{
	char *to = text;

	for (char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' &&
		    p[3] <= '7') {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

// The next field, unescaped; "" when there is none.
static const char *next_field(char **rest)
{
	char *field;

	do
		field = strsep(rest, " ");
	while (field && !*field);
	if (!field)
		return "";
	unescape(field);
	return field;
}

bool mountinfo_split(char *line, struct mountinfo *ret)
{
	const char *field;

	(void)next_field(&line); // its number
	(void)next_field(&line); // its parent's
	ret->device = next_field(&line);
	(void)next_field(&line); // the folder of the file system that is mounted
	ret->place = next_field(&line);
	ret->options = next_field(&line);
	do
		field = next_field(&line); // marks of propagation, then "-"
	while (*field && strcmp(field, "-") != 0);
	ret->type = next_field(&line);
	ret->source = next_field(&line);
	return *ret->place;
}
