// SPDX-License-Identifier: Apache-2.0
// Time that the machine missed.
#include "hosttime.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RTC_FILE "/sys/class/rtc/rtc0/since_epoch"
#define PAUSE_MS 2700 // not whole seconds, see the header; right again within 5 s also on a busy machine
#define PAUSE_ABSENT_MS 60000 // the RTC's driver may be a module
#define TRUSTED_MS 500 // a reading that took longer says too little
#define TOLERANCE_MS 500 // beyond the bounds; less is jitter
#define READINGS_MAX 64 // then the bounds are taken anew: clocks drift apart
#define AGREES_MS 1500 // a clock this close to the RTC is right

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void restart(struct hosttime *h, int64_t least_ms, int64_t most_ms)
{
	h->least_ms = least_ms;
	h->most_ms = most_ms;
	h->readings = 1;
}

int64_t hosttime_add(struct hosttime *h, const struct hosttime_reading *r)
{
	int64_t least = r->rtc_s * 1000 - r->after_ms, most = r->rtc_s * 1000 + 1000 - r->before_ms;
	int64_t missed = 0;

	if (r->after_ms - r->before_ms > TRUSTED_MS)
		return 0;
	if (h->readings > 0 && least > h->most_ms + TOLERANCE_MS)
		missed = (least + most) / 2 - (h->least_ms + h->most_ms) / 2;
	if (h->readings == 0 || h->readings == READINGS_MAX || least > h->most_ms || most < h->least_ms) {
		restart(h, least, most);
		return missed;
	}
	h->least_ms = least > h->least_ms ? least : h->least_ms;
	h->most_ms = most < h->most_ms ? most : h->most_ms;
	h->readings++;
	return 0;
}

static bool read_rtc(const struct guest *g, struct hosttime_reading *ret)
{
	int64_t before = now_ms(CLOCK_BOOTTIME);
	cleanup_free char *text = guest_read(g, RTC_FILE);
	uint64_t seconds;

	if (!text || number_parse_u64(text, 0, INT32_MAX * UINT64_C(4), &seconds, NULL) < 0)
		return false;
	*ret = (struct hosttime_reading){ .rtc_s = (int64_t)seconds,
					  .before_ms = before,
					  .after_ms = now_ms(CLOCK_BOOTTIME) };
	return true;
}

static void set_forward(int64_t missed_ms, int64_t rtc_s)
{
	int64_t target = now_ms(CLOCK_REALTIME) + missed_ms;
	const struct timespec at = { .tv_sec = target / 1000, .tv_nsec = target % 1000 * 1000000 };

	// Somebody has set both (hwclock), or the clock already (NTP, a guest service).
	if (llabs(target - missed_ms - rtc_s * 1000 - 500) <= AGREES_MS)
		return;
	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		log_error("the machine was stopped for %.1f s, and the clock cannot be set: %s",
			  (double)missed_ms / 1000, strerror(errno));
	else
		log_info("the machine was stopped for %.1f s; the clock is set forward", (double)missed_ms / 1000);
}

bool hosttime_take(const struct guest *g)
{
	struct hosttime_reading reading;

	if (!read_rtc(g, &reading)) {
		log_warn("%s cannot be read", RTC_FILE);
		return false;
	}
	const struct timespec at = { .tv_sec = reading.rtc_s, .tv_nsec = 500 * 1000000 };
	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		log_error("the clock cannot be set: %s", strerror(errno));
	return true;
}

int hosttime_tick(struct hosttime *h, const struct guest *g, bool *ret_missed)
{
	int64_t now = clock_ms(), missed;
	struct hosttime_reading reading;

	*ret_missed = false;
	if (h->due_ms > now)
		return (int)(h->due_ms - now);
	if (!read_rtc(g, &reading)) {
		h->due_ms = now + PAUSE_ABSENT_MS;
		return PAUSE_ABSENT_MS;
	}
	missed = hosttime_add(h, &reading);
	*ret_missed = missed > 0;
	if (*ret_missed)
		set_forward(missed, reading.rtc_s);
	h->due_ms = now + PAUSE_MS;
	return PAUSE_MS;
}
