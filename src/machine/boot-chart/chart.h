// SPDX-License-Identifier: Apache-2.0
// A boot as a picture: a bar for each row, on one axis of seconds.
#pragma once

#include "timeline.h"

// Appends the SVG of a boot that has rows.
void boot_chart(const struct boot *b, const char *machine, struct buf *ret);
