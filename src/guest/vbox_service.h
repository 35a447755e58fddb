// SPDX-License-Identifier: Apache-2.0
// What VirtualBox's host is told by its guest, and what the guest learns from it while it runs.
#pragma once

#include "told.h"
#include "vbox.h"

struct vbox_clock {
	bool is_known;
	int64_t host_less_boot_ms; // the host's time against CLOCK_BOOTTIME, which stands still while the machine does
	int64_t ahead_ms; // how far the host's clock is ahead of ours, as whoever set ours left it
};

struct vbox_reading {
	int64_t host_ms, boot_ms, own_ms; // of the same moment: the host's clock, CLOCK_BOOTTIME, CLOCK_REALTIME
};

// Takes a reading in. Returns true when our clock is to be set to *ret_ms: at first, when it is not the host's, and after a time
// that the machine missed. Else the clock is left to NTP: a host whose clock is wrong does no harm.
bool vbox_clock_add(struct vbox_clock *c, const struct vbox_reading *r, int64_t *ret_ms);

// Tells the host what has changed of the system's name and of its Ethernet cards (/VirtualBox/GuestInfo/…). Returns how much.
int vbox_tell(const struct guest *g, const struct vbox *v, uint32_t client, struct told *told,
	      struct error *err) MUST_CHECK;
