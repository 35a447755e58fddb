// SPDX-License-Identifier: Apache-2.0
// The service supervisor.
#include "services.h"

#include "bootlog.h"
#include "child.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define STABLE_MS 10000 // who ran this long has not failed to start
#define STOP_MS 5000

struct service *services_find(const struct services *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i]->name, name) == 0)
			return s->list[i];
	return NULL;
}

struct service *services_add(struct services *s, const struct service_row *row, const char *argument)
{
	cleanup_free char *name = argument ? xasprintf("%s-%s", row->name, argument) : xstrdup(row->name);
	struct service *v = services_find(s, name);

	if (v)
		return v;
	v = xcalloc(1, sizeof(*v));
	*v = (struct service){ .row = row, .name = take_ptr(name), .argument = argument ? xstrdup(argument) : NULL };
	v->pause_ms = PAUSE_MIN_MS;
	s->list = xreallocarray(s->list, s->count + 1, sizeof(*s->list));
	s->list[s->count++] = v;
	return v;
}

void services_done(struct services *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->list[i]->name);
		free(s->list[i]->argument);
		free(s->list[i]);
	}
	free(s->list);
	*s = (struct services){ .list = NULL };
}

static void open_output(struct guest *g, const struct service_row *row)
{
	cleanup_free char *path = row->log ? guest_path(g, row->log) : NULL;
	cleanup_free char *dir = path ? path_dir(path) : NULL;
	int in = open("/dev/null", O_RDWR | O_CLOEXEC), out = -1;

	if (dir && file_mkdirs(dir, 0755, NULL) == 0)
		out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (out < 0)
		out = bootlog_fd() >= 0 ? bootlog_fd() : in;
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
}

// A cgroup of its own. Docker looks for its own limits there, and finds none in the root cgroup ("No swap limit support").
static void enter_cgroup(const struct guest *g, const char *name)
{
	cleanup_free char *folder = xasprintf("%s/sys/fs/cgroup/service-%s", g->root, name);
	cleanup_free char *procs = path_join(folder, "cgroup.procs");
	struct error err = ERROR_INIT;

	mkdir(folder, 0755);
	if (file_write_existing(procs, "0", &err) < 0)
		log_debug("%s: no cgroup of its own: %s", name, err.msg);
}

// The child: becomes the program, or says why it cannot.
static _Noreturn void become(struct guest *g, const struct service *v)
{
	struct error err = ERROR_INIT;
	struct launch launch = { .argument = v->argument };
	cleanup_free char *oom = xasprintf("%d", v->row->oom_score);
	int r;

	setsid();
	enter_cgroup(g, v->name);
	if (v->row->oom_score && file_write_existing("/proc/self/oom_score_adj", oom, &err) < 0)
		log_warn("%s: %s", v->name, err.msg);
	open_output(g, v->row);
	strv_push(&launch.env, "PATH=" GUEST_PATH);
	strv_push(&launch.env, "HOME=/root");
	strv_push(&launch.env, "TERM=linux");
	r = v->row->prepare(g, &launch, &err);
	if (r == -ENODEV) {
		log_debug("%s: %s", v->name, err.msg);
		_exit(CHILD_NOT_HERE);
	}
	if (r == 0) {
		execve(launch.argv.items[0], strv_argv(&launch.argv), strv_argv(&launch.env));
		error_set(&err, errno, "cannot run %s", launch.argv.items[0]);
	}
	log_error("%s: %s", v->name, err.msg);
	_exit(127);
}

int services_start(struct services *s, struct service *v, struct error *err)
{
	if (s->closing)
		return error_say(err, ESHUTDOWN, "%s is not started: the system goes down", v->name);
	if (v->state == SERVICE_RUNNING)
		return 0;
	if (v->state == SERVICE_STOPPING) {
		v->restart_after_stop = true;
		return 0;
	}
	pid_t pid = child_fork(err);

	if (pid < 0)
		return error_wrap(err, "%s", v->name);
	if (pid == 0)
		become(s->guest, v);
	v->pid = pid;
	v->state = SERVICE_RUNNING;
	v->started_ms = clock_ms();
	timeline_add(s->guest, &(struct timeline_row){ .kind = TIMELINE_SERVICE,
						       .name = v->name,
						       .after = v->row->after,
						       .start_us = bootlog_now_us(),
						       .end_us = TIMELINE_NO_END });
	log_info("%s: started, pid %d", v->name, (int)pid);
	return 0;
}

void services_stop(struct services *s, struct service *v)
{
	(void)s;
	v->restart_after_stop = false;
	if (v->state == SERVICE_PAUSED)
		v->state = SERVICE_STOPPED;
	if (v->state != SERVICE_RUNNING)
		return;
	kill(v->pid, v->row->stop_signal ? v->row->stop_signal : SIGTERM);
	v->state = SERVICE_STOPPING;
	v->due_ms = clock_ms() + (v->row->stop_ms ? v->row->stop_ms : STOP_MS);
}

void services_restart(struct services *s, struct service *v)
{
	struct error err = ERROR_INIT;

	services_stop(s, v);
	if (services_start(s, v, &err) < 0)
		log_error("%s", err.msg);
}

int services_start_row(struct services *s, const struct service_row *row, struct error *err)
{
	cleanup_strv struct strv arguments = STRV_INIT;

	if (!row->instances)
		return services_start(s, services_add(s, row, NULL), err);
	row->instances(s->guest, &arguments);
	for (size_t i = 0; i < arguments.count; i++) {
		int r = services_start(s, services_add(s, row, arguments.items[i]), err);

		if (r < 0)
			return r;
	}
	return 0;
}

void services_stop_order(struct services *s, int order)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i]->row->stop_order == order)
			services_stop(s, s->list[i]);
}

bool services_order_ended(const struct services *s, int order)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i]->row->stop_order == order && s->list[i]->pid > 0)
			return false;
	return true;
}

// It has ended without being asked to, and there is nothing to start again.
static bool has_ended_for_good(const struct services *s, const struct service *v, int wait_status)
{
	if (s->closing || (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == CHILD_NOT_HERE))
		return true;
	if (!v->row->may_end || !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0)
		return false;
	log_info("%s was ended; it is not started again", v->name);
	return true;
}

// It has ended without being asked to: say so and plan the next start.
static void plan_restart(struct services *s, struct service *v, int wait_status)
{
	cleanup_free char *how = child_status_text(wait_status);

	if (has_ended_for_good(s, v, wait_status)) {
		v->state = SERVICE_STOPPED;
		return;
	}
	if (clock_ms() - v->started_ms >= STABLE_MS)
		v->pause_ms = PAUSE_MIN_MS;
	log_warn("%s ended (%s); starting it again in %.1f s", v->name, how, v->pause_ms / 1000.0);
	v->state = SERVICE_PAUSED;
	v->due_ms = clock_ms() + v->pause_ms;
	v->pause_ms = v->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : v->pause_ms * 2;
}

static void service_ended(struct services *s, struct service *v, int wait_status)
{
	bool asked = v->state == SERVICE_STOPPING;

	v->pid = 0;
	if (!asked) {
		plan_restart(s, v, wait_status);
		return;
	}
	v->state = SERVICE_STOPPED;
	v->pause_ms = PAUSE_MIN_MS;
	if (v->restart_after_stop) {
		struct error err = ERROR_INIT;

		v->restart_after_stop = false;
		if (services_start(s, v, &err) < 0)
			log_error("%s", err.msg);
	}
}

bool services_child_ended(struct services *s, pid_t pid, int wait_status)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i]->pid != pid)
			continue;
		service_ended(s, s->list[i], wait_status);
		return true;
	}
	return false;
}

static void service_due(struct services *s, struct service *v)
{
	struct error err = ERROR_INIT;

	if (v->state == SERVICE_STOPPING) {
		log_warn("%s does not stop: killed", v->name);
		kill(-v->pid, SIGKILL);
		kill(v->pid, SIGKILL);
		v->due_ms = clock_ms() + STOP_MS;
		return;
	}
	v->state = SERVICE_STOPPED;
	if (services_start(s, v, &err) < 0) {
		log_error("%s", err.msg);
		v->state = SERVICE_PAUSED;
		v->due_ms = clock_ms() + v->pause_ms;
	}
}

int services_tick(struct services *s)
{
	int64_t now = clock_ms(), next = INT64_MAX;

	for (size_t i = 0; i < s->count; i++) {
		struct service *v = s->list[i];

		if (s->closing && v->state == SERVICE_PAUSED)
			v->state = SERVICE_STOPPED;
		if (v->state != SERVICE_PAUSED && v->state != SERVICE_STOPPING)
			continue;
		if (v->due_ms <= now)
			service_due(s, v);
		if ((v->state == SERVICE_PAUSED || v->state == SERVICE_STOPPING) && v->due_ms < next)
			next = v->due_ms;
	}
	if (next == INT64_MAX)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}
