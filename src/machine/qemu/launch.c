// SPDX-License-Identifier: Apache-2.0
// Starting the machine's QEMU as a process; see internal.h.
//
// Theory of operation. QEMU gets a session of its own, so that neither Ctrl-C nor a closed terminal reaches it, and
// outlives us. Its messages go to qemu.log, where its last words stay when it crashes. That it greets on its QMP socket
// means that it is set up: ports bound, pid file written. When it ends before that, its log says why. A port that
// somebody took since we looked makes it fail with a known message; then the next free one is tried.
//
// The pid file is there before QEMU is: the child writes it and then becomes QEMU, which writes the same again. So a
// QEMU that outlives us before it is set up (kill -9 of `create`) is found by `rm`, and ended before its folder goes.
#include "internal.h"

#include "../owner.h"
#include "../ports.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

enum { START_TRIES = 8, START_TIMEOUT_MS = 60 * 1000, GREETING_MS = 1000, PAUSE_MS = 3, LOG_MAX = 1 << 20 };
enum { HEAP_STEP = 32 << 20 }; // bytes by which QEMU's heap grows

char *qemu_last_line(const struct machine *m, const char *file)
{
	cleanup_free char *path = machine_path(m, file);
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(path, LOG_MAX, &text, NULL) < 0 || !text.len)
		return NULL;
	buf_trim_end(&text);
	const char *newline = strrchr(buf_str(&text), '\n');
	return xstrdup(newline ? newline + 1 : buf_str(&text));
}

char *qemu_last_words(const struct machine *m)
{
	return qemu_last_line(m, "qemu.log");
}

// The process has ended before it was set up.
static int failed(const struct machine *m, int status, struct error *err)
{
	cleanup_free char *words = qemu_last_words(m);

	if (words && strstr(words, "Could not set up host forwarding rule"))
		return error_say(err, EADDRINUSE, "QEMU could not take ports %d and %d on 127.0.0.1",
				 machine_ssh_port(m), machine_engine_port(m));
	return error_say(err, EPROTO, "starting machine \"%s\": QEMU ended with exit status %d: %s", m->name, status,
			 words ? words : "it did not say why");
}

// Waits until QEMU greets. *pid becomes 0 when it has ended.
static int wait_for_greeting(const struct machine *m, pid_t *pid, struct qmp *q, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");
	int64_t deadline = clock_ms() + START_TIMEOUT_MS;

	for (;;) {
		struct error why = ERROR_INIT;
		if (qmp_open(q, socket, GREETING_MS, &why) == 0)
			return 0;
		qmp_close(q);
		int status = proc_wait(*pid, "QEMU", 0, err);
		if (status != -ETIMEDOUT) {
			*pid = 0;
			return status < 0 ? error_wrap(err, "starting machine \"%s\"", m->name)
					  : failed(m, status, err);
		}
		error_clear(err);
		int r = interrupt_check(err);
		if (r < 0)
			return r;
		if (why.code == EPROTO || clock_ms() >= deadline)
			return error_say(err, why.code, "starting machine \"%s\": %s", m->name, why.msg);
		clock_sleep_ms(PAUSE_MS);
	}
}

struct child {
	int pid_fd;
	pid_t parent;
	const struct owner *owner; // NULL: files keep the host's numbers
	const struct qemu_servers *servers;
	bool ends_with_us;
};

// In the child, before it becomes QEMU: only async-signal-safe calls.
static void prepare_child(void *arg)
{
	const struct child *child = arg;
	char text[16];
	size_t at = sizeof(text);

	text[--at] = '\n';
	for (pid_t left = getpid(); left; left /= 10)
		text[--at] = (char)('0' + left % 10);
	if (child->ends_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	// Without its pid file, or without us, nobody would ever find it.
	if (write(child->pid_fd, text + at, sizeof(text) - at) < 0 || getppid() != child->parent)
		_exit(1);
	if (child->owner && owner_enter(child->owner) < 0)
		_exit(1);
	qemu_virtiofs_inherit(child->servers);
}

// The helper of bridges is a set-uid program. virtiofsd translates by itself.
static bool maps_owner(const struct machine *m)
{
	return qemu_has_shares(m) && !qemu_uses_virtiofs(m) && !qemu_has_own_address(m) && owner_matters(geteuid()) &&
	       owner_allowed();
}

// QEMU takes some 22 MB from malloc before it is set up, in small pieces: 5,500 page faults, which on a host that is a virtual machine
// itself are a third of its start. In huge pages, where the host gives them on request, it is a dozen. (The GNU C Library manual,
// "Memory Allocation Tunables"; other C libraries ignore the variable.)
static void add_environment(struct strv *ret)
{
	static const char name[] = "GLIBC_TUNABLES";

	for (char **variable = environ; *variable; variable++)
		strv_push(ret, *variable);
	if (!getenv(name))
		strv_pushf(ret, "%s=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=%d", name, HEAP_STEP);
}

static int spawn(const struct machine *m, const struct qemu_how *how, const struct qemu_servers *servers, int log,
		 struct error *err)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	cleanup_close int pid_fd = open(pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct child child = {
		.pid_fd = pid_fd, .parent = getpid(), .servers = servers, .ends_with_us = how->template
	};
	struct owner owner;

	if (pid_fd < 0)
		return error_set(err, errno, "make %s", pid_file);
	owner_plan(geteuid(), getegid(), &owner);
	if (maps_owner(m))
		child.owner = &owner;
	qemu_command(m, how, &argv);
	add_environment(&env);
	pid_t pid = qemu_spawn(m, &argv, &env, log, prepare_child, &child, err);
	return pid < 0 ? error_wrap(err, "starting machine \"%s\"", m->name) : pid;
}

static void end_child(pid_t pid)
{
	struct error ignored = ERROR_INIT;

	if (kill(pid, SIGKILL) == 0 && proc_wait(pid, "QEMU", START_TIMEOUT_MS, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

// 0, -EADDRINUSE when a port was taken meanwhile, or another error; then nothing runs.
static int launch_once(const struct machine *m, const struct qemu_how *how, struct qmp *q, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");
	cleanup_free char *log_path = machine_path(m, "qemu.log");
	struct qemu_servers servers = { .count = 0 };
	int r = file_unlink(socket, err); // of one that crashed

	if (r < 0)
		return r;
	cleanup_close int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return error_set(err, errno, "open %s", log_path);
	r = how->incoming ? 0 : qemu_virtiofs_start(m, &servers, err);
	pid_t pid = r < 0 ? r : spawn(m, how, &servers, log, err);
	qemu_virtiofs_let_go(&servers);
	r = pid < 0 ? pid : wait_for_greeting(m, &pid, q, err);
	if (r < 0 && pid > 0)
		end_child(pid);
	if (r < 0) {
		qemu_virtiofs_end(m, &servers, err);
		qemu_process_forget(m);
	}
	return r;
}

int qemu_launch(struct machine *m, const struct qemu_how *how, struct qmp *q, struct error *err)
{
	// A saved machine gets its forwards when its guest runs: QEMU drops what comes before, and repeats it after six seconds.
	if (how->incoming)
		return launch_once(m, how, q, err);
	for (int tries = 1;; tries++) {
		int r = ports_settle(m, "SSHPort", FIRST_SSH_PORT, err);
		if (r == 0 && !qemu_has_own_address(m))
			r = ports_settle(m, "EnginePort", FIRST_ENGINE_PORT, err);
		if (r == 0)
			r = launch_once(m, how, q, err);
		if (r != -EADDRINUSE || tries == START_TRIES)
			return r;
	}
}
