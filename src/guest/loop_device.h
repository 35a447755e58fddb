// SPDX-License-Identifier: Apache-2.0
// Loop devices: a file as a block device.
#pragma once

#include "lib/error.h"

// Attaches an image, read-only, to a free loop device, which goes when its last user does. The caller holds *ret_fd until it has
// mounted *ret_device: without a holder the device would go at once.
int loop_device_attach(const char *image, char **ret_device, int *ret_fd, struct error *err) MUST_CHECK;
