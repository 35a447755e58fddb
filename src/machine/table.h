// SPDX-License-Identifier: Apache-2.0
// Lines of cells, separated by tabs, laid out in columns as Docker Machine does: three spaces between, no column under
// five.
#pragma once

#include "lib/buf.h"
#include "lib/strv.h"

void table_layout(const struct strv *lines, struct buf *ret);
