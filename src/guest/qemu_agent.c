// SPDX-License-Identifier: Apache-2.0
// b2d-qemu-agent PORT: answers what the host asks through QEMU's guest agent port.
//
// A program of our own rather than Debian's qemu-guest-agent, which brings glib, liburing and libnuma into an image that has no
// other use for them, and reads files and runs programs for the host by default.
#include "qemu_agent.h"

#include "child.h"
#include "control.h"
#include "lib/alloc.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/rtc.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>

#define NS_PER_S 1000000000LL

// The RTC shall tell the next boot the same; a machine without one has it from the host anyway.
static void set_rtc(time_t seconds)
{
	cleanup_close int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	struct rtc_time rtc = { .tm_sec = 0 };
	struct tm tm;

	if (fd < 0 || !gmtime_r(&seconds, &tm))
		return;
	rtc = (struct rtc_time){ .tm_sec = tm.tm_sec,
				 .tm_min = tm.tm_min,
				 .tm_hour = tm.tm_hour,
				 .tm_mday = tm.tm_mday,
				 .tm_mon = tm.tm_mon,
				 .tm_year = tm.tm_year };
	if (ioctl(fd, RTC_SET_TIME, &rtc) < 0)
		log_warn("guest agent: the hardware clock is not set: %m");
}

static int set_clock(int64_t ns, struct error *err)
{
	const struct timespec at = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		return error_set(err, errno, "set the clock");
	set_rtc(at.tv_sec);
	log_info("guest agent: the host has set the clock");
	return 0;
}

static int freeze(const char *place, bool frozen, struct error *err)
{
	cleanup_close int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, frozen ? FIFREEZE : FITHAW, 0) < 0)
		return error_set(err, errno, "%s %s", frozen ? "freeze" : "let go", place);
	return 0;
}

static int open_port(const char *path, struct error *err)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? error_set(err, errno, "open the guest agent's port %s", path) : fd;
}

static int open_stop_signals(struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "signalfd") : fd;
}

static int serve(struct agent *a, const char *path, struct error *err)
{
	cleanup_close int stop = open_stop_signals(err);
	cleanup_close int port = stop < 0 ? -1 : open_port(path, err);

	if (stop < 0 || port < 0)
		return stop < 0 ? stop : -err->code;
	agent_recover(a);
	return agent_serve(a, port, stop, err);
}

int main(int argc, char **argv)
{
	static const struct agent_system system = { .control = control_ask, .set_clock = set_clock, .freeze = freeze };
	static const struct guest guest = { .root = "" };
	struct agent agent = { .guest = &guest, .system = &system };
	struct error err = ERROR_INIT;
	int r;

	log_set_sink(log_sink_stderr, NULL);
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: b2d-qemu-agent PORT\nAnswers the host on QEMU's guest agent port.\n");
		return 1;
	}
	r = serve(&agent, argv[1], &err);
	if (r < 0)
		log_info("%s", err.msg);
	if (r == -ENODEV || r == -ENOENT || r == -ENXIO)
		return CHILD_NOT_HERE; // it was unplugged
	return r < 0;
}
