// SPDX-License-Identifier: Apache-2.0
// The list of packages as an SPDX document, for programs that look for known flaws and licences.
#pragma once

#include "image/apt.h"
#include "lib/buf.h"

#include <stdint.h>

// Appends an SPDX 2.3 document in JSON: each package with version, SHA-256 and package URL (purl). `version` is the image's;
// `epoch` the time of its making in seconds since 1970. The same packages give the same bytes.
void spdx_print(const struct apt_set *set, const char *version, int64_t epoch, struct buf *ret);
