// SPDX-License-Identifier: Apache-2.0
// Giving a machine another image.
#pragma once

#include "lib/error.h"

struct machine;

// Replaces the machine's image by the one at `url` (image.h; empty: the one it was made from, or the default), and starts it
// with that. Its data disk is not touched. The old image is kept until the engine of the new one has answered; when it does
// not, the machine gets the old one back.
int machine_upgrade(struct machine *m, const char *url, struct error *err) MUST_CHECK;
