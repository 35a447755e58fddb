// SPDX-License-Identifier: Apache-2.0
// @NAME@s in the texts of distro/.
#pragma once

#include "lib/buf.h"

struct template_value {
	const char *mark; // "@VERSION@"; NULL ends the table
	const char *value;
};

// Appends `text` with each mark of the table replaced; other text between @s stays as it is.
void template_fill(const char *text, const struct template_value *values, struct buf *ret);
