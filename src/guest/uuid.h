// SPDX-License-Identifier: Apache-2.0
// Random identifiers: UUIDs of version 4 (RFC 9562, section 5.4), of the kernel's random numbers.
#pragma once

#include "lib/error.h"
#include "lib/macros.h"

#include <stdint.h>

#define UUID_LEN 16

int uuid_draw(uint8_t ret[static UUID_LEN], struct error *err) MUST_CHECK;
// The same as text. The caller frees.
int uuid_draw_text(char **ret, struct error *err) MUST_CHECK;
