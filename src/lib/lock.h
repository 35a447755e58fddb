// SPDX-License-Identifier: Apache-2.0
// A lock file whose lock dies with its holder (flock), so a crash never leaves one behind.
#pragma once

#include "error.h"

// Takes the lock, waiting at most timeout_ms (0: not at all; then EWOULDBLOCK, naming the path). Makes the file when missing.
// The returned fd holds the lock until it is closed.
int lock_take(const char *path, int timeout_ms, int *ret_fd, struct error *err) MUST_CHECK;
