// SPDX-License-Identifier: Apache-2.0
// Holding the file systems still while the host copies the disk.
#pragma once

#include "qemu_agent.h"

// Freezes every file system on a disk that can be written, the latest first. Returns how many; on an error none is frozen.
int agent_freeze(struct agent *a, struct error *err) MUST_CHECK;
// Lets them go. Returns how many.
int agent_thaw(struct agent *a);
