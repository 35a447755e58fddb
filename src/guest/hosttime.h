// SPDX-License-Identifier: Apache-2.0
// The host's clock, as the RTC shows it: a machine that was stopped gets back the time that it missed.
//
// Theory of operation
//
// A machine that is paused, saved, or sleeps with its host has clocks that stand still, and nothing tells it when it goes on.
// The RTC is the host's: it went on meanwhile. So every few seconds PID 1 reads it and looks how far it has come since the last
// time, compared with CLOCK_BOOTTIME. Where it went further, that is the time that was missed, and the clock is set forward by
// as much. Only the difference counts: a host whose clock is wrong, or whose RTC has local time, does no harm to a clock that
// NTP has set.
//
// The RTC counts whole seconds. Each reading bounds what lies between it and CLOCK_BOOTTIME from both sides; as the readings
// come at other fractions of a second each time, together they bound it to a few hundredths.
#pragma once

#include "guest.h"

#include <stdint.h>

struct hosttime {
	int64_t least_ms, most_ms; // bounds of RTC - CLOCK_BOOTTIME
	int readings; // that made the bounds; 0: there are none
	int64_t due_ms; // clock_ms() of the next reading
};

struct hosttime_reading {
	int64_t rtc_s; // what the RTC showed,
	int64_t before_ms, after_ms; // between these, of CLOCK_BOOTTIME
};

// Takes a reading in. Returns the milliseconds that were missed before it; 0: none.
int64_t hosttime_add(struct hosttime *h, const struct hosttime_reading *r);

// Sets the clock to what the RTC shows, which is right to half a second; false: it cannot be read.
bool hosttime_take(const struct guest *g);
// Reads the RTC when it is time to, and sets the clock when time was missed, which *ret_missed then says. Returns the milliseconds until
// the next reading.
int hosttime_tick(struct hosttime *h, const struct guest *g, bool *ret_missed);
