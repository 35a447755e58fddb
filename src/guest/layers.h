// SPDX-License-Identifier: Apache-2.0
// From the initramfs into the real root: boot modules, layers, overlay.
#pragma once

#include "guest.h"

// Step: inserts /boot/modules, mounts /layers/*.squashfs below an overlay in memory, and makes that the root of this process.
int layers_enter(struct guest *g, struct error *err) MUST_CHECK;
