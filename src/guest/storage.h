// SPDX-License-Identifier: Apache-2.0
// Where data goes: the data disk mounted (or memory in its place), the links to it, swap.
#pragma once

#include "guest.h"

#define STORAGE_NOTE GUEST_RUN "/storage" // the name below /mnt: a partition, or "ram"

// Step: finds, prepares, checks and mounts the data disk; without one, mounts memory. Makes the links of guest.md.
int storage_mount(struct guest *g, struct error *err) MUST_CHECK;
// Step: every swap partition there is; without one, compressed memory.
int storage_swap(struct guest *g, struct error *err) MUST_CHECK;
// Points the links at the folder ROOT/mnt/NAME, making what is missing in it. Empties its /tmp.
int storage_link(const struct guest *g, const char *name, struct error *err) MUST_CHECK;
