// SPDX-License-Identifier: Apache-2.0
// Starting, asking and ending a machine's QEMU; see ../driver.h.
//
// Theory of operation. QEMU daemonizes: its first process returns when the machine is set up (ports bound, socket and
// pid file there) or prints why not, so there is no time in between to guess about. From then on config.json is not
// needed to find it again: qemu.pid says which process, qmp.sock talks to it. A port that somebody took in between
// makes QEMU fail with a known message; then the next free port is tried.
#include "internal.h"

#include "../ports.h"
#include "../qmp.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>

enum {
	START_TRIES = 8,
	START_TIMEOUT_MS = 60 * 1000,
	QMP_TIMEOUT_MS = 5 * 1000,
	QUIT_TIMEOUT_MS = 5 * 1000,
	STOP_TIMEOUT_MS = 60 * 1000,
	PRESS_AGAIN_MS = 10 * 1000, // a guest that is still booting does not hear the first press
};

char *qemu_console_path(const struct machine *m)
{
	return machine_path(m, "console.log");
}

// --- start ---

static int rotate_console(const struct machine *m, struct error *err)
{
	cleanup_free char *now = qemu_console_path(m);
	cleanup_free char *previous = machine_path(m, "console.log.1");

	if (rename(now, previous) < 0 && errno != ENOENT)
		return error_set(err, errno, "keep the previous console log as %s", previous);
	return 0;
}

// 0, -EADDRINUSE when a port was taken meanwhile, or another error.
static int spawn(const struct machine *m, const char *accelerator, const char *provision, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_buf struct buf errors = BUF_INIT;

	qemu_command(m, accelerator, provision, &argv);
	struct proc_spec spec = { .argv = (const char *const *)strv_argv(&argv),
				  .cwd = m->dir,
				  .errs = PROC_CAPTURE,
				  .err_buf = &errors,
				  .timeout_ms = START_TIMEOUT_MS,
				  .own_group = true };
	run_log(spec.argv);
	int r = proc_check(&spec, err);
	if (r < 0 && strstr(buf_str(&errors), "Could not set up host forwarding rule"))
		return error_say(err, EADDRINUSE, "QEMU could not take ports %d and %d on 127.0.0.1",
				 machine_ssh_port(m), machine_engine_port(m));
	return r < 0 ? error_wrap(err, "starting machine \"%s\"", m->name) : 0;
}

int qemu_start(struct machine *m, const char *provision, struct error *err)
{
	const char *wanted = json_str_at(m->config, "Driver.Accelerator", "");
	const char *accelerator = *wanted ? wanted : accelerator_choose("/dev/kvm", "/proc/cpuinfo");
	int r = rotate_console(m, err);

	if (r < 0)
		return r;
	for (int tries = 1;; tries++) {
		r = ports_settle(m, "SSHPort", FIRST_SSH_PORT, err);
		if (r == 0)
			r = ports_settle(m, "EnginePort", FIRST_ENGINE_PORT, err);
		if (r == 0)
			r = spawn(m, accelerator, provision, err);
		if (r != -EADDRINUSE || tries == START_TRIES)
			return r;
	}
}

// --- state ---

static const struct qemu_status {
	const char *name;
	enum machine_state state;
} statuses[] = {
	{ "running", STATE_RUNNING },   { "paused", STATE_PAUSED },      { "suspended", STATE_PAUSED },
	{ "debug", STATE_PAUSED },      { "prelaunch", STATE_STARTING }, { "inmigrate", STATE_STARTING },
	{ "postmigrate", STATE_SAVED }, { "save-vm", STATE_SAVED },      { "finish-migrate", STATE_SAVED },
	{ "shutdown", STATE_STOPPING },
};

static enum machine_state state_of(const char *status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (strcmp(statuses[i].name, status) == 0)
			return statuses[i].state;
	return STATE_ERROR; // guest-panicked, internal-error, io-error, …
}

static int ask(const struct machine *m, const char *command, int timeout_ms, json_t **ret, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");
	cleanup_qmp struct qmp q = QMP_INIT;
	int r = qmp_open(&q, socket, timeout_ms, err);

	if (r == 0)
		r = qmp_execute(&q, command, timeout_ms, ret, err);
	return r < 0 ? error_wrap(err, "machine \"%s\"", m->name) : 0;
}

int qemu_state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err)
{
	cleanup_close int pidfd = -1;
	json_t *answer = NULL;
	int found = qemu_process_find(m, &pidfd, err);

	if (found < 0)
		return found;
	*ret = STATE_STOPPED;
	if (!found)
		return 0;
	int r = ask(m, "query-status", timeout_ms, &answer, err);
	if (r == 0) {
		*ret = state_of(json_str_at(answer, "status", ""));
		json_decref(answer);
		return 0;
	}
	if (qemu_process_wait(pidfd, 0)) // it ended while we asked
		r = 0;
	else if (r == -ETIMEDOUT)
		*ret = STATE_TIMEOUT;
	else
		*ret = STATE_ERROR;
	error_clear(err);
	return 0;
}

// --- end ---

static int stop_timed_out(const struct machine *m, struct error *err)
{
	return error_say(
		err, ETIMEDOUT,
		"machine \"%s\" did not power off within %d s; look at %s/console.log, or end it with \"%s kill %s\"",
		m->name, STOP_TIMEOUT_MS / 1000, m->dir, m->ctx->program, m->name);
}

int qemu_stop(struct machine *m, struct error *err)
{
	int64_t deadline = clock_ms() + STOP_TIMEOUT_MS;
	cleanup_close int pidfd = -1;
	int found = qemu_process_find(m, &pidfd, err);

	if (found <= 0)
		return found;
	while (clock_ms() < deadline) {
		int r = ask(m, "system_powerdown", QMP_TIMEOUT_MS, NULL, err);
		if (qemu_process_wait(pidfd, r < 0 ? 0 : PRESS_AGAIN_MS))
			return 0;
		if (r < 0)
			return r;
		r = interrupt_check(err);
		if (r < 0)
			return r;
	}
	return stop_timed_out(m, err);
}

int qemu_kill(struct machine *m, struct error *err)
{
	cleanup_close int pidfd = -1;
	struct error ignored = ERROR_INIT;
	int found = qemu_process_find(m, &pidfd, err);

	if (found <= 0)
		return found;
	// Asked nicely QEMU still writes out what it holds of the disk. It may end before it answers.
	if (ask(m, "quit", QMP_TIMEOUT_MS, NULL, &ignored) == 0 || ignored.code == ECONNRESET)
		if (qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
			return 0;
	log_debug("QEMU of machine \"%s\" does not quit: SIGKILL", m->name);
	int r = qemu_process_kill(pidfd, err);
	if (r == 0 && !qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
		r = error_say(err, ETIMEDOUT, "QEMU of machine \"%s\" does not even end on SIGKILL", m->name);
	return r;
}
