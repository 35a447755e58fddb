// SPDX-License-Identifier: Apache-2.0
// Other identifiers for a disk that began as a copy of another machine's.
#pragma once

#include "lib/error.h"
#include "lib/macros.h"

// Draws the identifiers (UUID) of a GPT, of its partitions and of our swap partition anew, on a disk or image file whose partitions may be
// in use. What the partitions are and hold stays. A disk with another table, or none, is left alone.
int disk_renew_identifiers(const char *path, struct error *err) MUST_CHECK;
