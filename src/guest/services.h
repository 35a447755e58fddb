// SPDX-License-Identifier: Apache-2.0
// The programs that run as long as the system does: started, watched, started again when they end, stopped in the end.
//
// Theory of operation
//
// A service is a row of a table. It is started in a child whose `prepare` makes argument vector and environment and which then
// becomes the program: what takes time there (evaluating the profile, making certificates) never holds up PID 1. Each child
// leads a session of its own.
//
//   STOPPED --start--> RUNNING --ends by itself--> PAUSED --pause over--> RUNNING
//                         |                           |
//                         +------stop (signal)-----> STOPPING --ends--> STOPPED
//                                                     | stop_ms over: SIGKILL
//
// The pause before it starts again grows from 0.1 s to 10 s when it ends soon after each start, and is short again after it has
// run for a while. One that ends with CHILD_NOT_HERE has nothing to serve (a console without a line) and stays STOPPED; so does one
// that ends with 0, where the row has may_end: it was wished for.
// An instance (a DHCP client for each interface) is the same row with an argument.
#pragma once

#include "guest.h"
#include "lib/strv.h"

#include <stdint.h>
#include <sys/types.h>

// What `prepare` fills in, in the child. env starts with PATH, HOME and TERM.
struct launch {
	struct strv argv, env;
	const char *argument; // of the instance; NULL
};

struct service_row {
	const char *name;
	int (*prepare)(struct guest *g, struct launch *launch, struct error *err);
	const char *after; // boot steps that come first; NULL: not started by the boot
	void (*instances)(const struct guest *g,
			  struct strv *ret); // arguments to start with; NULL: one without argument
	const char *device; // devices whose names begin so: when one appears later, the instances are looked at again
	const char *log; // output is appended to this file; NULL: to the boot log
	int oom_score; // oom_score_adj
	int stop_signal; // 0: SIGTERM
	int stop_ms; // after that SIGKILL; 0: 5 s
	bool may_end; // with exit status 0 it has ended for good: somebody wanted it to
	int stop_order; // at shutdown the lowest go first, all of one number at the same time
};

enum service_state { SERVICE_STOPPED, SERVICE_RUNNING, SERVICE_PAUSED, SERVICE_STOPPING };

struct service {
	const struct service_row *row;
	char *name; // the row's, or "ROW-ARGUMENT"
	char *argument;
	enum service_state state;
	pid_t pid;
	bool restart_after_stop;
	int pause_ms;
	int64_t started_ms; // clock_ms()
	int64_t due_ms; // when a pause is over or a stop has taken too long
};

struct services {
	struct guest *guest;
	struct service **list;
	size_t count;
	bool closing; // the system goes down: nothing is started any more
};

// Adds a row, or an instance of it (argument not NULL); one that is there already is returned. Starts nothing.
struct service *services_add(struct services *s, const struct service_row *row, const char *argument);
struct service *services_find(const struct services *s, const char *name);
void services_done(struct services *s);

int services_start(struct services *s, struct service *v,
		   struct error *err) MUST_CHECK; // already running: nothing to do
void services_stop(struct services *s, struct service *v);
void services_restart(struct services *s, struct service *v);
// Starts the row: the service, or each of its instances.
int services_start_row(struct services *s, const struct service_row *row, struct error *err) MUST_CHECK;
// Asks all of one stop_order to end; services_order_ended says whether they have.
void services_stop_order(struct services *s, int order);
bool services_order_ended(const struct services *s, int order);

// A child has ended: true when it was a service.
bool services_child_ended(struct services *s, pid_t pid, int wait_status);
// Starts what has paused long enough, kills what does not stop. Returns the milliseconds until there is something to do; -1: nothing.
int services_tick(struct services *s);
