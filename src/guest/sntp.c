// SPDX-License-Identifier: Apache-2.0
// b2d-sntp SERVER…: keeps the clock right, by asking NTP servers in turn (RFC 4330).
//
// A program of its own rather than a part of PID 1, because it looks up names, for which glibc needs its shared libraries;
// Debian's busybox has no ntpd, and chrony is larger than the rest of our userland's tools together. A clock that is off by
// more than half a second is set at once, smaller differences are let run out. When somebody else sets the clock (PID 1 does
// after the host has slept, and people do), the servers are asked again at once.
#include "sntp_packet.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#define ANSWER_MS 2000
#define PAUSE_FIRST_S 4 // after a failure or a large step
#define PAUSE_MAX_S 1024
#define PAUSE_FAILED_MAX_S 128
#define PAUSE_LEAST_MS 1000 // between two rounds, however often the clock is set
#define STEP_S 0.5

static double now_s(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int connect_to(const char *server, struct error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	const struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
	struct addrinfo *all;
	cleanup_close int fd = -1;
	int r = getaddrinfo(server, "123", &hints, &all);

	if (r != 0)
		return error_say(err, EHOSTUNREACH, "%s: %s", server, gai_strerror(r));
	fd = socket(all->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, all->ai_addr, all->ai_addrlen) < 0)
		r = error_set(err, errno, "%s", server);
	freeaddrinfo(all);
	if (r < 0)
		return r;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return take_fd(&fd);
}

// The offset comes out against the clock as it is at the end: somebody may have set it while we waited.
static int ask(const char *server, double *ret_offset, struct error *err)
{
	uint8_t packet[SNTP_PACKET];
	uint64_t cookie;
	cleanup_close int fd = connect_to(server, err);
	double sent, received, answer = 0;
	ssize_t len;
	int r;

	if (fd < 0)
		return fd;
	if (getrandom(&cookie, sizeof(cookie), 0) != (ssize_t)sizeof(cookie))
		return error_set(err, errno, "random bytes");
	sntp_question(cookie, packet);
	sent = now_s(CLOCK_MONOTONIC);
	if (send(fd, packet, sizeof(packet), 0) < 0)
		return error_set(err, errno, "%s", server);
	len = recv(fd, packet, sizeof(packet), 0);
	received = now_s(CLOCK_MONOTONIC);
	if (len < 0)
		return error_set(err, errno == EAGAIN ? ETIMEDOUT : errno, "%s", server);
	r = sntp_answer(packet, (size_t)len, cookie, received - sent, &answer, err);
	if (r < 0)
		return error_wrap(err, "%s", server);
	*ret_offset = answer + (now_s(CLOCK_MONOTONIC) - received) - now_s(CLOCK_REALTIME);
	return 0;
}

static int correct(double offset, struct error *err)
{
	double target = now_s(CLOCK_REALTIME) + offset;
	struct timespec at = { .tv_sec = (time_t)target, .tv_nsec = (long)((target - floor(target)) * 1e9) };
	struct timeval slew = { .tv_sec = (time_t)offset, .tv_usec = (suseconds_t)((offset - trunc(offset)) * 1e6) };
	int r = fabs(offset) > STEP_S ? clock_settime(CLOCK_REALTIME, &at) : adjtime(&slew, NULL);

	return r < 0 ? error_set(err, errno, "set the clock") : 0;
}

static int64_t at_most(int64_t value, int64_t most)
{
	return value < most ? value : most;
}

// What changes only when somebody sets the clock.
static double setting(void)
{
	return now_s(CLOCK_REALTIME) - now_s(CLOCK_BOOTTIME);
}

// One round: the first server that answers. Returns the seconds until the next one.
static int64_t one_round(char *const *servers, int count, int64_t pause)
{
	double before = setting();
	struct error err = ERROR_INIT;

	for (int i = 0; i < count; i++) {
		double offset = 0;

		error_clear(&err);
		if (ask(servers[i], &offset, &err) < 0 || correct(offset, &err) < 0)
			continue;
		if (fabs(offset) > STEP_S)
			log_info("the clock was off by %.3f s (%s)", offset, servers[i]);
		return fabs(offset) > STEP_S ? PAUSE_FIRST_S : at_most(pause * 2, PAUSE_MAX_S);
	}
	log_info("no time: %s", err.msg);
	if (fabs(setting() - before) > STEP_S)
		return 1; // somebody has set the clock while we waited
	return at_most(pause * 2, PAUSE_FAILED_MAX_S);
}

// Waits for so many seconds, or until somebody sets the clock: then it returns true.
static bool wait_for_change(int timer, int64_t seconds)
{
	const struct itimerspec when = { .it_value.tv_sec = time(NULL) + seconds };
	uint64_t times;

	if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) < 0) {
		clock_sleep_ms(seconds * 1000);
		return false;
	}
	clock_sleep_ms(PAUSE_LEAST_MS);
	return read(timer, &times, sizeof(times)) < 0 && errno == ECANCELED;
}

int main(int argc, char **argv)
{
	int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	int64_t pause = PAUSE_FIRST_S;

	log_set_sink(log_sink_stderr, NULL);
	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: b2d-sntp SERVER...\nKeeps the clock right by asking NTP servers in turn.\n");
		return 1;
	}
	for (;;) {
		pause = one_round(argv + 1, argc - 1, pause);
		if (wait_for_change(timer, pause))
			pause = PAUSE_FIRST_S;
	}
}
