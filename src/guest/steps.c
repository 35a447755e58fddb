// SPDX-License-Identifier: Apache-2.0
// The scheduler of boot steps.
#include "steps.h"

#include "bootlog.h"
#include "child.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/strv.h"
#include "timeline.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LOWEST_PRIORITY 19 // of nice values, setpriority(2)
#define NAG_MS 10000 // a step that takes longer than this is named on the console

int steps_add(struct steps *s, const struct step *rows, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (steps_find(s, rows[i].name))
			return error_say(err, EEXIST, "two boot steps are named %s", rows[i].name);
		s->runs = xreallocarray(s->runs, s->count + 1, sizeof(*s->runs));
		s->runs[s->count++] = (struct step_run){ .step = &rows[i] };
	}
	return 0;
}

void steps_done(struct steps *s)
{
	free(s->runs);
	*s = (struct steps){ .runs = NULL };
}

const struct step_run *steps_find(const struct steps *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->runs[i].step->name, name) == 0)
			return &s->runs[i];
	return NULL;
}

static bool is_over(const struct step_run *run)
{
	return run->state == STEP_DONE || run->state == STEP_FAILED;
}

// Whether all that `run` needs is over, by the given test; unknown names count as not over.
static bool needs_are_over(const struct steps *s, const struct step_run *run, const bool *over)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (run->step->after)
		strv_split(&names, run->step->after, " ");
	for (size_t i = 0; i < names.count; i++) {
		const struct step_run *need = steps_find(s, names.items[i]);

		if (!need || !(over ? over[need - s->runs] : is_over(need)))
			return false;
	}
	return true;
}

// Plays the boot through without running anything: what cannot be reached has an unknown name or a circle before it.
int steps_check(const struct steps *s, struct error *err)
{
	cleanup_free bool *over = xcalloc(s->count, sizeof(*over));
	bool progress = true;

	while (progress) {
		progress = false;
		for (size_t i = 0; i < s->count; i++) {
			if (over[i] || !needs_are_over(s, &s->runs[i], over))
				continue;
			over[i] = true;
			progress = true;
		}
	}
	for (size_t i = 0; i < s->count; i++)
		if (!over[i])
			return error_say(err, ELOOP,
					 "boot step %s can never run: something in \"%s\" is unknown or waits for it",
					 s->runs[i].step->name, s->runs[i].step->after);
	return 0;
}

static void step_over(struct steps *s, struct step_run *run, bool failed)
{
	run->end_us = bootlog_now_us();
	run->state = failed ? STEP_FAILED : STEP_DONE;
	run->pid = 0;
	if (run->step->run) {
		timeline_add(s->guest, &(struct timeline_row){ .kind = TIMELINE_STEP,
							       .name = run->step->name,
							       .after = run->step->after,
							       .start_us = run->start_us,
							       .end_us = run->end_us,
							       .failed = failed });
		log_info("%s: %s after %.3f s", run->step->name, failed ? "failed" : "done",
			 (double)(run->end_us - run->start_us) / 1e6);
	}
	if (failed && (run->step->flags & STEP_REQUIRED))
		s->broken = run;
}

// Runs the step in this process and says why it failed, when it did.
static int run_here(struct guest *g, const struct step *step)
{
	struct error err = ERROR_INIT;
	int r = step->run(g, &err);

	if (r < 0)
		log_error("%s: %s", step->name, err.msg);
	return r;
}

static void start_child(struct steps *s, struct step_run *run)
{
	struct error err = ERROR_INIT;
	pid_t pid = child_fork(&err);

	if (pid == 0) {
		setpgid(0, 0);
		if (run->step->flags & STEP_YIELDS)
			setpriority(PRIO_PROCESS, 0, LOWEST_PRIORITY);
		_exit(run_here(s->guest, run->step) < 0 ? 1 : 0);
	}
	if (pid < 0) {
		log_error("%s: %s", run->step->name, err.msg);
		step_over(s, run, true);
		return;
	}
	setpgid(pid, pid); // in both, so that it is so whoever runs first
	run->pid = pid;
	run->nag_ms = run->step->flags & STEP_QUIET ? 0 : clock_ms() + NAG_MS;
	run->deadline_ms = (int64_t)run->step->deadline_ms * (s->patience > 0 ? s->patience : 1);
	run->kill_ms = run->deadline_ms ? clock_ms() + run->deadline_ms : 0;
}

static void start_step(struct steps *s, struct step_run *run)
{
	struct error err = ERROR_INIT;

	run->state = STEP_RUNNING;
	run->start_us = bootlog_now_us();
	if ((run->step->flags & STEP_TEMPLATE) && !s->guest->options.template) {
		run->state = STEP_DONE;
	} else if (!run->step->run) {
		int r = s->start_service(s->arg, run->step->name, &err);

		if (r < 0)
			log_error("%s: %s", run->step->name, err.msg);
		step_over(s, run, r < 0);
	} else if (run->step->flags & STEP_INLINE) {
		step_over(s, run, run_here(s->guest, run->step) < 0);
	} else {
		start_child(s, run);
	}
}

void steps_start_ready(struct steps *s)
{
	bool progress = true;

	while (progress && !s->broken) {
		progress = false;
		for (size_t i = 0; i < s->count && !s->broken; i++) {
			if (s->runs[i].state != STEP_WAITING || !needs_are_over(s, &s->runs[i], NULL))
				continue;
			start_step(s, &s->runs[i]);
			progress = true;
		}
	}
}

bool steps_child_ended(struct steps *s, pid_t pid, int wait_status)
{
	for (size_t i = 0; i < s->count; i++) {
		struct step_run *run = &s->runs[i];

		if (run->state != STEP_RUNNING || run->pid != pid)
			continue;
		if (WIFSIGNALED(wait_status)) {
			cleanup_free char *how = child_status_text(wait_status);

			log_error("%s: %s; the boot goes on without it", run->step->name, how);
		}
		step_over(s, run, wait_status != 0);
		return true;
	}
	return false;
}

static void nag(struct step_run *run, int64_t now)
{
	bootlog_console("Still waiting for %s (%lld s so far)", run->step->name,
			(long long)((bootlog_now_us() - run->start_us) / 1000000));
	run->nag_ms = now + 6LL * NAG_MS;
}

static void tick_one(struct step_run *run, int64_t now, int64_t *next)
{
	if (run->kill_ms && now >= run->kill_ms) {
		log_error("%s: not done after %lld ms: stopped", run->step->name, (long long)run->deadline_ms);
		kill(-run->pid, SIGKILL);
		run->kill_ms = 0;
	}
	if (run->nag_ms && now >= run->nag_ms)
		nag(run, now);
	if (run->kill_ms && run->kill_ms < *next)
		*next = run->kill_ms;
	if (run->nag_ms && run->nag_ms < *next)
		*next = run->nag_ms;
}

int steps_tick(struct steps *s)
{
	int64_t now = clock_ms(), next = INT64_MAX;

	for (size_t i = 0; i < s->count; i++)
		if (s->runs[i].state == STEP_RUNNING && s->runs[i].pid > 0)
			tick_one(&s->runs[i], now, &next);
	return next == INT64_MAX ? -1 : (int)(next - now);
}

bool steps_all_over(const struct steps *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!is_over(&s->runs[i]))
			return false;
	return true;
}
