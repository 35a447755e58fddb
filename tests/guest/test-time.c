// SPDX-License-Identifier: Apache-2.0
// Unit tests of the clock: what a machine missed by its RTC, and the packets of time servers.
#include "../unit/test.h"

#include "hosttime.h"
#include "lib/log.h"
#include "sntp_packet.h"

#include <errno.h>
#include <math.h>

static struct error err;

// A machine that reads its RTC: its own clock, and the host's, in milliseconds.
struct machine {
	struct hosttime h;
	int64_t boottime_ms, rtc_ms;
};

static int64_t after_pause(struct machine *m, int64_t own_ms, int64_t host_ms)
{
	m->boottime_ms += own_ms;
	m->rtc_ms += host_ms;
	const struct hosttime_reading r = { .rtc_s = m->rtc_ms / 1000,
					    .before_ms = m->boottime_ms,
					    .after_ms = m->boottime_ms + 2 };

	return hosttime_add(&m->h, &r);
}

static struct machine running_machine(int readings)
{
	struct machine m = { .boottime_ms = 7654, .rtc_ms = 1900000000321 };

	for (int i = 0; i < readings; i++)
		assert_int_equal(after_pause(&m, 2700, 2700), 0);
	return m;
}

static void a_machine_that_runs_misses_nothing(void **state)
{
	(void)state;
	running_machine(2000);
}

static void clocks_that_drift_apart_are_nothing_missed(void **state)
{
	struct machine m = running_machine(1);

	(void)state;
	for (int i = 0; i < 2000; i++)
		assert_int_equal(after_pause(&m, 2700, i < 1000 ? 2701 : 2699), 0);
}

static void what_a_stopped_machine_missed_is_known_to_a_second(void **state)
{
	static const int64_t stops[] = { 3000, 600000, 86400000LL * 40 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
		for (int readings = 1; readings < 90; readings++) {
			struct machine m = running_machine(readings);
			int64_t missed = after_pause(&m, 2700, 2700 + stops[i]);

			assert_true(llabs(missed - stops[i]) <= 1000);
			assert_true(readings < 12 || readings % 64 < 12 || llabs(missed - stops[i]) <= 600);
			assert_int_equal(after_pause(&m, 2700, 2700), 0); // and only once
		}
}

static void an_rtc_that_is_set_back_is_followed_from_then_on(void **state)
{
	struct machine m = running_machine(20);

	(void)state;
	assert_int_equal(after_pause(&m, 2700, 2700 - 3600000), 0);
	assert_int_equal(after_pause(&m, 2700, 2700), 0);
	assert_true(after_pause(&m, 2700, 2700 + 60000) > 59000);
}

static void a_reading_that_took_long_says_nothing(void **state)
{
	struct machine m = running_machine(20);
	const struct hosttime_reading slow = { .rtc_s = m.rtc_ms / 1000 + 100,
					       .before_ms = m.boottime_ms,
					       .after_ms = m.boottime_ms + 2000 };

	(void)state;
	assert_int_equal(hosttime_add(&m.h, &slow), 0);
	assert_int_equal(after_pause(&m, 2700, 2700), 0);
}

static void without_an_rtc_there_is_a_long_pause(void **state)
{
	struct hosttime h = { .due_ms = 0 };
	cleanup_free char *root = test_folder();
	const struct guest guest = { .root = root };
	bool missed = true;

	(void)state;
	assert_int_equal(hosttime_tick(&h, &guest, &missed), 60000);
	assert_in_range(hosttime_tick(&h, &guest, &missed), 1, 60000);
	assert_false(missed);
}

// --- SNTP

#define COOKIE 0x0102030405060708
#define NTP_2020 0xe1b65f80 // 2020-01-01

static void put_u32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void make_answer(uint8_t *packet, uint32_t arrived, uint32_t left)
{
	memset(packet, 0, SNTP_PACKET);
	packet[0] = 0x24; // version 4, server
	packet[1] = 2;
	put_u32(packet + 24, COOKIE >> 32);
	put_u32(packet + 28, (uint32_t)COOKIE);
	put_u32(packet + 32, arrived);
	put_u32(packet + 40, left);
	put_u32(packet + 44, 0x80000000); // and a half
}

static void an_answer_gives_the_time_at_which_it_arrived(void **state)
{
	uint8_t packet[SNTP_PACKET];
	double at = 0;

	(void)state;
	make_answer(packet, NTP_2020, NTP_2020);
	assert_ok(sntp_answer(packet, sizeof(packet), COOKIE, 1.5, &at, &err), &err);
	// The server took 0.5 s of the 1.5 s, so 0.5 s each way.
	assert_true(fabs(at - (1577836800 + 0.5 + 0.5)) < 0.001);
	make_answer(packet, 100, 100); // after 2036
	assert_ok(sntp_answer(packet, sizeof(packet), COOKIE, 0.5, &at, &err), &err);
	assert_true(fabs(at - (2085978496.0 + 100.5)) < 0.001);
}

static void answers_that_say_nothing_are_refused(void **state)
{
	uint8_t packet[SNTP_PACKET];
	double at = 42;

	(void)state;
	make_answer(packet, NTP_2020, NTP_2020);
	assert_int_equal(sntp_answer(packet, sizeof(packet), COOKIE + 1, 1, &at, &err), -EBADMSG);
	for (size_t len = 0; len < SNTP_PACKET; len++)
		assert_int_equal(sntp_answer(packet, len, COOKIE, 1, &at, &err), -EBADMSG);
	assert_int_equal(sntp_answer(packet, sizeof(packet), COOKIE, 0.1, &at, &err), -EBADMSG); // it took longer
	packet[0] = 0x23; // a client's
	assert_int_equal(sntp_answer(packet, sizeof(packet), COOKIE, 1, &at, &err), -EBADMSG);
	packet[0] = 0xe4; // not synchronized
	assert_int_equal(sntp_answer(packet, sizeof(packet), COOKIE, 1, &at, &err), -EBADMSG);
	packet[0] = 0x24;
	packet[1] = 0; // "kiss of death"
	assert_int_equal(sntp_answer(packet, sizeof(packet), COOKIE, 1, &at, &err), -EBADMSG);
	assert_true(at == 42);
}

static void a_question_tells_nothing_but_its_cookie(void **state)
{
	uint8_t packet[SNTP_PACKET], zeros[39] = { 0 };

	(void)state;
	sntp_question(COOKIE, packet);
	assert_int_equal(packet[0], 0x23);
	assert_memory_equal(packet + 1, zeros, sizeof(zeros));
	for (int i = 0; i < 8; i++)
		assert_int_equal(packet[40 + i], i + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_that_runs_misses_nothing),
		cmocka_unit_test(clocks_that_drift_apart_are_nothing_missed),
		cmocka_unit_test(what_a_stopped_machine_missed_is_known_to_a_second),
		cmocka_unit_test(an_rtc_that_is_set_back_is_followed_from_then_on),
		cmocka_unit_test(a_reading_that_took_long_says_nothing),
		cmocka_unit_test(without_an_rtc_there_is_a_long_pause),
		cmocka_unit_test(an_answer_gives_the_time_at_which_it_arrived),
		cmocka_unit_test(answers_that_say_nothing_are_refused),
		cmocka_unit_test(a_question_tells_nothing_but_its_cookie),
	};

	return cmocka_run_group_tests_name("guest time", tests, NULL, NULL);
}
