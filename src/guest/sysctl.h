// SPDX-License-Identifier: Apache-2.0
// Kernel parameters from /etc/sysctl.conf.
#pragma once

#include "guest.h"

#include <stdint.h>

// Step: applies /etc/sysctl.conf ("name.name = value" a line, # and ; comments; a leading - means: do not mind when it fails).
int sysctl_apply(struct guest *g, struct error *err) MUST_CHECK;

// Step: the boot is over, and a processor that stands still no reason any more to panic, if it was one (CONTRACT_STALL_PANIC).
int sysctl_end_boot(struct guest *g, struct error *err) MUST_CHECK;

// The kilobytes that the kernel keeps free of so many, when there are no huge pages to be made: 4 * sqrt(memory_kb), within
// its bounds of 128 and 262144.
uint64_t sysctl_reserve_kb(uint64_t memory_kb);
