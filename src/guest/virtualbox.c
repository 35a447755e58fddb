// SPDX-License-Identifier: Apache-2.0
// b2d-virtualbox: the guest service of VirtualBox: its host's time, and what it shows of the guest.
//
// A program of our own, because Debian has no virtualbox-guest-utils in its releases' main archive. Shared folders are mounted
// at boot with the others (shares.h); the kernel's vboxguest does the rest (memory balloon, heartbeat).
#include "lib/alloc.h"
#include "lib/log.h"
#include "news.h"
#include "service_main.h"
#include "vbox_service.h"

#include <errno.h>
#include <time.h>

#define PAUSE_MS 10000

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int follow_clock(const struct vbox *v, struct vbox_clock *clock, struct error *err)
{
	struct vbox_reading reading = { .own_ms = now_ms(CLOCK_REALTIME), .boot_ms = now_ms(CLOCK_BOOTTIME) };
	struct timespec at;
	int64_t target;
	int r = vbox_host_time(v, &reading.host_ms, err);

	if (r < 0 || !vbox_clock_add(clock, &reading, &target))
		return r;
	at = (struct timespec){ .tv_sec = target / 1000, .tv_nsec = target % 1000 * 1000000 };
	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		return error_set(err, errno, "set the clock");
	log_info("VirtualBox: the clock is set by %.1f s to the host's", (double)(target - reading.own_ms) / 1000);
	return 0;
}

static int serve(const struct guest *g, struct error *err)
{
	cleanup_close int news = news_open();
	struct vbox_clock clock = { .is_known = false };
	struct told told = TOLD_INIT;
	uint32_t client = 0;
	struct vbox v;
	int r = vbox_open(g, &v, err);

	if (r < 0)
		return r;
	r = vbox_connect(&v, VBOX_PROPERTIES, &client, err);
	while (r >= 0) {
		r = follow_clock(&v, &clock, err);
		if (r == 0)
			r = vbox_tell(g, &v, client, &told, err);
		if (r >= 0)
			news_wait(news, PAUSE_MS);
	}
	told_done(&told);
	vbox_close(&v);
	return r;
}

int main(void)
{
	return service_main("VirtualBox", serve);
}
