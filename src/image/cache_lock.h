// SPDX-License-Identifier: Apache-2.0
// One at a time in the cache folder.
#pragma once

#include "lib/error.h"
#include "lib/macros.h"

// Takes the lock of the folder, which is made when it is missing. Waits for another build as long as the longest one (a kernel's) takes,
// and says so. The returned fd holds the lock until it is closed.
int cache_lock(const char *folder, int *ret_fd, struct error *err) MUST_CHECK;
