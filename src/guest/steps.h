// SPDX-License-Identifier: Apache-2.0
// The boot as steps: each runs as soon as what it needs is done, those that do not need each other at the same time.
//
// Theory of operation
//
// A step that PID 1 has to do itself (STEP_INLINE: mounts that change its own root) is a function call. Every other step is a
// child process, so a bug in a parser of foreign bytes or a hang ends the step and not the system; it is killed at its
// deadline, of which a slow machine (an emulated one on a busy host) has more, by the time that its kernel took. A step is over
// when its process has ended, well or not: the steps after it then run either way, because a boot that goes on without a disk
// or a network is the better one. Only a failed STEP_REQUIRED step ends the boot; the steps after it do not run. Steps leave what
// others need in files below GUEST_RUN.
//
// A step without a function is a service: it is done when the service has been started.
#pragma once

#include "guest.h"

#include <stdint.h>
#include <sys/types.h>

enum step_flags {
	STEP_INLINE = 1, // runs in PID 1 itself
	STEP_REQUIRED = 2, // the boot cannot go on without it
	STEP_QUIET = 4, // may take long: not named on the console for it
	STEP_TEMPLATE = 16, // of templates (template.h) only: in any other machine it is over at once
	STEP_YIELDS = 8, // leaves the processors to others that want them: what the engine needs late, or never
};

struct step {
	const char *name;
	int (*run)(struct guest *g, struct error *err); // NULL: the service of this name
	const char *after; // names of steps that must be over before, separated by blanks; NULL: none
	int flags;
	int deadline_ms; // 0: waited for without end, but named on the console when it takes long
};

enum step_state { STEP_WAITING, STEP_RUNNING, STEP_DONE, STEP_FAILED };

struct step_run {
	const struct step *step;
	enum step_state state;
	pid_t pid;
	int64_t start_us, end_us;
	int64_t deadline_ms; // with the patience that is due
	int64_t kill_ms, nag_ms; // clock_ms() when it is killed or named on the console; 0: not
};

struct steps {
	struct guest *guest;
	struct step_run *runs;
	size_t count;
	int (*start_service)(void *arg, const char *name, struct error *err);
	void *arg;
	int patience; // deadlines are so many times as long as the rows say; 0: as they say
	const struct step_run *broken; // the required step that failed
};

// Takes rows of one or more tables. Adding fails on a name given twice; steps_check on an unknown name in `after` or a circle.
int steps_add(struct steps *s, const struct step *rows, size_t count, struct error *err) MUST_CHECK;
int steps_check(const struct steps *s, struct error *err) MUST_CHECK;
void steps_done(struct steps *s);

// Starts every step that can start now.
void steps_start_ready(struct steps *s);
// A child has ended: true when it was a step. Call steps_start_ready after.
bool steps_child_ended(struct steps *s, pid_t pid, int wait_status);
// Kills what is past its deadline and names what takes long. Returns the milliseconds until there is something to do; -1: nothing.
int steps_tick(struct steps *s);
bool steps_all_over(const struct steps *s);
const struct step_run *steps_find(const struct steps *s, const char *name);
