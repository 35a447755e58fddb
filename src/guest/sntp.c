// SPDX-License-Identifier: Apache-2.0
// b2d-sntp SERVER…: keeps the clock right, by asking NTP servers in turn (RFC 4330).
//
// A program of its own rather than a part of PID 1, because it looks up names, for which glibc needs its shared libraries;
// Debian's busybox has no ntpd, and chrony is larger than the rest of our userland's tools together. A clock that is off by
// more than half a second (after the host has slept) is set at once, smaller differences are let run out.
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/cursor.h"
#include "lib/error.h"
#include "lib/log.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define EPOCH_DIFFERENCE 2208988800.0 // 1900 to 1970
#define PACKET 48
#define ANSWER_MS 2000
#define PAUSE_FIRST_S 4 // after a failure or a large step
#define PAUSE_MAX_S 1024
#define STEP_S 0.5

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
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

static double timestamp(struct cursor *c)
{
	double seconds = cursor_be32(c);

	return seconds + (double)cursor_be32(c) / 4294967296.0 - EPOCH_DIFFERENCE;
}

// The answer is a stranger's: it must be a server's, synchronized, and carry our cookie.
static int read_answer(const uint8_t *packet, size_t len, uint64_t cookie, double sent, double received,
		       double *ret_offset, struct error *err)
{
	struct cursor c;
	uint8_t mode, stratum;
	double arrived, left;

	cursor_init(&c, packet, len);
	mode = cursor_u8(&c);
	stratum = cursor_u8(&c);
	cursor_skip(&c, 22);
	if (cursor_be64(&c) != cookie)
		return error_say(err, EBADMSG, "an answer to another question");
	arrived = timestamp(&c);
	left = timestamp(&c);
	if (c.failed || (mode & 7) != 4 || mode >> 6 == 3 || stratum == 0 || stratum > 15 || left < 0)
		return error_say(err, EBADMSG, "the server does not know the time");
	*ret_offset = ((arrived - sent) + (left - received)) / 2;
	return 0;
}

static int ask(const char *server, double *ret_offset, struct error *err)
{
	uint8_t packet[PACKET] = { 0x23 }; // version 4, client
	uint64_t cookie;
	cleanup_close int fd = connect_to(server, err);
	double sent, received;
	ssize_t len;

	if (fd < 0)
		return fd;
	if (getrandom(packet + 40, 8, 0) != 8) // instead of our time, which is nobody's business
		return error_set(err, errno, "random bytes");
	struct cursor c;

	cursor_init(&c, packet + 40, 8);
	cookie = cursor_be64(&c);
	sent = now_s();
	if (send(fd, packet, sizeof(packet), 0) < 0)
		return error_set(err, errno, "%s", server);
	len = recv(fd, packet, sizeof(packet), 0);
	received = now_s();
	if (len < 0)
		return error_set(err, errno, "%s", server);
	return read_answer(packet, (size_t)len, cookie, sent, received, ret_offset, err);
}

static int correct(double offset, struct error *err)
{
	double target = now_s() + offset;
	struct timespec at = { .tv_sec = (time_t)target, .tv_nsec = (long)((target - floor(target)) * 1e9) };
	struct timeval slew = { .tv_sec = (time_t)offset, .tv_usec = (suseconds_t)((offset - trunc(offset)) * 1e6) };
	int r = fabs(offset) > STEP_S ? clock_settime(CLOCK_REALTIME, &at) : adjtime(&slew, NULL);

	return r < 0 ? error_set(err, errno, "set the clock") : 0;
}

// One round: the first server that answers. Returns the seconds until the next one.
static int64_t one_round(char *const *servers, int count, int64_t pause)
{
	struct error err = ERROR_INIT;

	for (int i = 0; i < count; i++) {
		double offset = 0;

		error_clear(&err);
		if (ask(servers[i], &offset, &err) < 0 || correct(offset, &err) < 0)
			continue;
		if (fabs(offset) > STEP_S)
			log_info("the clock was off by %.3f s (%s)", offset, servers[i]);
		return fabs(offset) > STEP_S ? PAUSE_FIRST_S : pause * 2;
	}
	log_info("no time: %s", err.msg);
	return pause * 2;
}

int main(int argc, char **argv)
{
	int64_t pause = PAUSE_FIRST_S;

	log_set_sink(log_sink_stderr, NULL);
	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: b2d-sntp SERVER...\nKeeps the clock right by asking NTP servers in turn.\n");
		return 1;
	}
	for (;;) {
		pause = one_round(argv + 1, argc - 1, pause);
		pause = pause > PAUSE_MAX_S ? PAUSE_MAX_S : pause;
		clock_sleep_ms(pause * 1000);
	}
}
