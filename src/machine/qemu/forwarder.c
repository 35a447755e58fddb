// SPDX-License-Identifier: Apache-2.0
// The process beside a machine that makes published ports reachable on this host; see internal.h.
//
// Theory of operation. It is our own program again, as `boot2docker __forward-ports NAME`, in a session of its own. It
// holds a pidfd of the machine's QEMU and ends with it; a lock in the machine's folder, which dies with its holder,
// keeps a second one from working beside it, so whoever wants one running just starts one.
//
// It follows the engine's events. Each time something happens it compares what should be with what is: the ports that
// the engine lists with the forwards that QEMU lists, but for the machine's own two. Nothing is remembered in between,
// so nothing can go stale when the engine restarts, or this process. A stream on which nothing comes for a while is
// opened anew: a guest that was reset does not close its end.
//
// A port that cannot be had on this host (taken, or below 1024 without the right to it) is written into ports.log, once;
// all others are forwarded. It is tried again with every event.
#include "internal.h"

#include "../engine.h"
#include "../tls.h"
#include "forward.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	CONTAINERS_MAX = 16 << 20,
	ASK_TIMEOUT_MS = 20 * 1000,
	QUIET_MS = 30 * 1000, // then the stream is opened anew
	RETRY_FIRST_MS = 100,
	RETRY_MAX_MS = 3000,
	LOCK_WAIT_MS = 3000, // for the one of the last start, which ends as soon as its QEMU has
	LOG_MAX = 64 << 10,
};

struct forwarder {
	struct machine *m;
	struct machine_engine engine;
	char *socket; // its path
	int pidfd;
	struct forwards refused; // that cannot be had; said once
	struct tls events;
};

// --- the log ---

static void sink(enum log_level level, const char *line, void *arg)
{
	int fd = *(const int *)arg;
	char when[32];
	struct tm tm;
	time_t now = time(NULL);
	struct stat st;

	(void)level;
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX && ftruncate(fd, 0) < 0)
		return;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	dprintf(fd, "%s %s\n", when, line);
}

// --- forwards ---

static const char *name_of(struct forward one)
{
	return one.udp ? "udp" : "tcp";
}

static void say_refused(struct forwarder *f, struct forward one, const char *why)
{
	if (forwards_has(&f->refused, one))
		return;
	forwards_add(&f->refused, one);
	log_warn("%s port %d of 127.0.0.1 cannot be had (%s): a container that publishes it is not reachable there%s",
		 name_of(one), one.port, why,
		 one.port < 1024 ? "; ports below 1024 need a right, see net.ipv4.ip_unprivileged_port_start" : "");
}

static bool is_own(const struct forwarder *f, struct forward one)
{
	return !one.udp && (one.port == machine_ssh_port(f->m) || one.port == machine_engine_port(f->m));
}

static int change(struct forwarder *f, struct qmp *q, struct forward one, bool add, struct error *err)
{
	const char *ip = machine_ip(f->m);
	cleanup_free char *line = add ? xasprintf("hostfwd_add nat %s:%s:%d-:%d", name_of(one), ip, one.port, one.port)
				      : xasprintf("hostfwd_remove nat %s:%s:%d", name_of(one), ip, one.port);
	cleanup_free char *output = NULL;
	int r = qmp_monitor(q, line, QMP_TIMEOUT_MS, &output, err);

	if (r < 0)
		return r;
	if (add && *output)
		say_refused(f, one, "it is taken, or not allowed");
	else
		log_info("%s port %d is %s", name_of(one), one.port, add ? "forwarded" : "not forwarded any more");
	return 0;
}

static int apply(struct forwarder *f, const struct forwards *wanted, struct error *err)
{
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_forwards struct forwards present = { 0 };
	cleanup_free char *text = NULL;
	int r = qmp_open(&q, f->socket, QMP_TIMEOUT_MS, err);

	if (r == 0)
		r = qmp_monitor(&q, "info usernet", QMP_TIMEOUT_MS, &text, err);
	if (r < 0)
		return r;
	forwards_from_usernet(text, machine_ip(f->m), &present);
	for (size_t i = 0; i < present.count && r == 0; i++)
		if (!is_own(f, present.items[i]) && !forwards_has(wanted, present.items[i]))
			r = change(f, &q, present.items[i], false, err);
	for (size_t i = 0; i < wanted->count && r == 0; i++)
		if (is_own(f, wanted->items[i]))
			say_refused(f, wanted->items[i], "the machine's own SSH or Docker port is there");
		else if (!forwards_has(&present, wanted->items[i]))
			r = change(f, &q, wanted->items[i], true, err);
	return r;
}

// What is no longer wanted may be said again when it is.
static void forget_refused(struct forwarder *f, const struct forwards *wanted)
{
	struct forwards left = { 0 };

	for (size_t i = 0; i < f->refused.count; i++)
		if (forwards_has(wanted, f->refused.items[i]))
			forwards_add(&left, f->refused.items[i]);
	forwards_done(&f->refused);
	f->refused = left;
}

static int reconcile(struct forwarder *f, struct error *err)
{
	cleanup_json json_t *containers = NULL;
	cleanup_forwards struct forwards wanted = { 0 };
	int r = engine_get(&f->engine.address, "/containers/json", CONTAINERS_MAX, clock_ms() + ASK_TIMEOUT_MS,
			   &containers, err);

	if (r < 0)
		return r;
	forwards_from_containers(containers, &wanted);
	forget_refused(f, &wanted);
	return apply(f, &wanted, err);
}

// --- the life of the process ---

// Waits until there are events, or time is over. 1: QEMU has ended.
static int wait_event(const struct forwarder *f, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = f->pidfd, .events = POLLIN }, { .fd = f->events.fd, .events = POLLIN } };

	return poll(fds, ARRAY_SIZE(fds), timeout_ms) > 0 && fds[0].revents;
}

// Takes what is there of the stream: what it says does not matter, that it says something does.
static int drain(struct forwarder *f, struct error *err)
{
	char chunk[4096];
	int n;

	while ((n = tls_read(&f->events, false, chunk, sizeof(chunk), err)) > 0)
		;
	if (n == 0)
		return error_say(err, ECONNRESET, "the engine ended its events");
	return n == -EAGAIN ? 0 : n;
}

// Follows one stream of events until it ends, is quiet for long, or QEMU ends (1).
static int follow(struct forwarder *f, struct error *err)
{
	// filters={"type":["container"],"event":["start","die","pause","unpause","stop"]}
	static const char path[] = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start"
				   "%22%2C%22die%22%5D%7D";
	int r = engine_follow(&f->events, &f->engine.address, path, clock_ms() + ASK_TIMEOUT_MS, err);

	// After the stream is open, so that nothing can happen unseen in between.
	while (r == 0) {
		r = reconcile(f, err);
		if (r < 0)
			break;
		int64_t asked = clock_ms();
		if (wait_event(f, QUIET_MS))
			return 1;
		if (clock_ms() - asked >= QUIET_MS)
			break;
		f->events.deadline = clock_ms() + ASK_TIMEOUT_MS;
		r = drain(f, err);
	}
	return r;
}

static void work(struct forwarder *f)
{
	int pause_ms = RETRY_FIRST_MS;

	for (;;) {
		struct error err = ERROR_INIT;
		int64_t started = clock_ms();
		int r = follow(f, &err);
		tls_close(&f->events);
		f->events = (struct tls)TLS_INIT;
		if (r > 0)
			return;
		if (r < 0)
			log_debug("%s", err.msg);
		pause_ms = clock_ms() - started > RETRY_MAX_MS ? RETRY_FIRST_MS
			   : pause_ms * 2 < RETRY_MAX_MS       ? pause_ms * 2
							       : RETRY_MAX_MS;
		if (wait_event(f, r < 0 ? pause_ms : 0))
			return;
	}
}

static void forwarder_done(struct forwarder *f)
{
	tls_close(&f->events);
	forwards_done(&f->refused);
	machine_engine_done(&f->engine);
	free(f->socket);
	if (f->pidfd >= 0)
		close(take_fd(&f->pidfd));
}

// 1: QEMU runs, and nobody else does this work.
static int prepare(struct forwarder *f, int *ret_lock, struct error *err)
{
	cleanup_free char *lock = machine_path(f->m, "ports.lock");
	int r = qemu_process_find(f->m, &f->pidfd, err);

	if (r <= 0)
		return r;
	r = lock_take(lock, LOCK_WAIT_MS, ret_lock, err);
	if (r < 0)
		return r == -EWOULDBLOCK ? 0 : r;
	f->socket = machine_path(f->m, "qmp.sock");
	machine_engine_init(&f->engine, f->m);
	return 1;
}

int qemu_forward_ports(struct machine *m, struct error *err)
{
	CLEANUP(forwarder_done) struct forwarder f = { .m = m, .pidfd = -1, .events = TLS_INIT };
	cleanup_free char *log_path = machine_path(m, "ports.log");
	cleanup_close int lock = -1;

	int r = prepare(&f, &lock, err);
	if (r <= 0)
		return r;
	cleanup_close int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return error_set(err, errno, "open %s", log_path);
	log_set_sink(sink, &log);
	work(&f);
	return 0;
}

int qemu_forward_start(const struct machine *m, struct error *err)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return error_set(err, errno, "find this program's own file");
	self[len] = '\0';
	const char *argv[] = { self, "--storage-path", m->ctx->storage_path, "__forward-ports", m->name, NULL };
	struct proc_spec spec = { .argv = argv, .cwd = "/", .own_session = true };
	pid_t pid = proc_spawn(&spec, err);
	return pid < 0 ? error_wrap(err, "forwarding the published ports of machine \"%s\"", m->name) : 0;
}
