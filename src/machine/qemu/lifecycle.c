// SPDX-License-Identifier: Apache-2.0
// Starting, asking and ending a machine's QEMU; see ../driver.h.
//
// Theory of operation. config.json is not needed to find a machine's QEMU again: qemu.pid says which process, qmp.sock
// talks to it. QEMU removes its pid file when it ends in an orderly way, and we do when we kill it: so a pid file
// without its process tells of a crash, of QEMU or of the host, and qemu.log may have the reason.
#include "internal.h"

#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	STOP_TIMEOUT_MS = 60 * 1000,
	PRESS_AGAIN_MS = 10 * 1000, // a guest that is still booting does not hear the first press
};

char *qemu_console_path(const struct machine *m)
{
	return machine_path(m, "console.log");
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
	*ret = qemu_is_saved(m) ? STATE_SAVED : STATE_STOPPED;
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
	else if (r == -ENOENT) // it has not opened its socket yet
		*ret = STATE_STARTING;
	else
		*ret = STATE_ERROR;
	error_clear(err);
	return 0;
}

char *qemu_trouble(const struct machine *m)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	cleanup_close int pidfd = -1;
	struct stat st;
	struct timespec now, up;

	if (qemu_process_find(m, &pidfd, NULL))
		return qemu_virtiofs_trouble(m);
	if (stat(pid_file, &st) < 0)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	if (st.st_mtim.tv_sec < now.tv_sec - up.tv_sec)
		return xstrdup("it was not shut down: this host was restarted while it ran");
	cleanup_free char *words = qemu_last_words(m);
	return words ? xasprintf("QEMU crashed: %.300s", words) : xstrdup("QEMU was killed, or crashed without a word");
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

// Lets the guest of a QEMU that runs go on.
static int wake(struct machine *m, struct error *err)
{
	// A state of which the guest goes on now is of no more use.
	int r = qemu_discard_saved(m, err);

	return r < 0 ? r : ask(m, "cont", QMP_TIMEOUT_MS, NULL, err);
}

// A paused machine, or one whose start was ended before it had its forwards.
static int go_on(struct machine *m, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");
	cleanup_qmp struct qmp q = QMP_INIT;
	int r = wake(m, err);

	if (r == 0)
		r = qmp_open(&q, socket, QMP_TIMEOUT_MS, err);
	return r < 0 ? r : qemu_network_forward(m, &q, err);
}

int qemu_start(struct machine *m, const char *provision, struct error *err)
{
	const char *wanted = json_str_at(m->config, "Driver.Accelerator", "");
	const char *accelerator = *wanted ? wanted : accelerator_choose("/dev/kvm", "/proc/cpuinfo");
	struct qemu_how how = { .accelerator = accelerator, .provision = provision };
	cleanup_free char *trouble = qemu_trouble(m);
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_close int pidfd = -1;

	int r = qemu_process_find(m, &pidfd, err);
	if (r)
		return r < 0 ? r : go_on(m, err);
	if (trouble)
		log_warn("machine \"%s\": %s", m->name, trouble);
	r = qemu_undo_birth(m, err);
	if (r == 0)
		r = qemu_shares_prepare(m, err);
	if (r < 0)
		return r;
	r = qemu_is_saved(m) ? qemu_resume(m, accelerator, err) : qemu_be_born(m, provision, accelerator, err);
	if (r)
		return r < 0 ? r : 0;
	qemu_shares_forget(m);
	r = rotate_console(m, err);
	return r < 0 ? r : qemu_launch(m, &how, &q, err);
}

int qemu_ready(struct machine *m, struct error *err)
{
	// Ports of containers that went on running come back before anything else does.
	int r = qemu_has_own_address(m) ? 0 : qemu_forward_start(m, err);

	return r < 0 ? r : qemu_shares_restore(m, err);
}

// --- end ---

static int stop_timed_out(const struct machine *m, struct error *err)
{
	return error_say(
		err, ETIMEDOUT,
		"machine \"%s\" did not power off within %d s; look at %s/console.log, or end it with \"%s kill %s\"",
		m->name, STOP_TIMEOUT_MS / 1000, m->dir, m->ctx->program, m->name);
}

static int stop_saved(const struct machine *m, struct error *err)
{
	return error_say(err, EBUSY,
			 "machine \"%s\" is saved, with what ran in it: start it before it is stopped, or give that up "
			 "with \"%s kill %s\"",
			 m->name, m->ctx->program, m->name);
}

int qemu_stop(struct machine *m, struct error *err)
{
	int64_t deadline = clock_ms() + STOP_TIMEOUT_MS;
	cleanup_close int pidfd = -1;
	int found = qemu_process_find(m, &pidfd, err);

	if (found < 0)
		return found;
	if (!found)
		return qemu_is_saved(m) ? stop_saved(m, err) : 0;
	int r = wake(m, err); // a paused guest hears no button
	if (r < 0)
		return qemu_process_wait(pidfd, 0) ? 0 : r;
	while (clock_ms() < deadline) {
		r = ask(m, "system_powerdown", QMP_TIMEOUT_MS, NULL, err);
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
		return found < 0 ? found : qemu_discard_saved(m, err);
	// Asked nicely QEMU still writes out what it holds of the disk. It may end before it answers.
	if (ask(m, "quit", QMP_TIMEOUT_MS, NULL, &ignored) == 0 || ignored.code == ECONNRESET)
		if (qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
			return qemu_discard_saved(m, err);
	log_debug("QEMU of machine \"%s\" does not quit: SIGKILL", m->name);
	int r = qemu_process_kill(pidfd, err);
	if (r == 0 && !qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
		r = error_say(err, ETIMEDOUT, "QEMU of machine \"%s\" does not even end on SIGKILL", m->name);
	if (r < 0)
		return r;
	qemu_process_forget(m);
	return qemu_discard_saved(m, err);
}
