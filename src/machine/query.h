// SPDX-License-Identifier: Apache-2.0
// Asking many machines at the same time how they are: what `ls` and `active` are made of.
#pragma once

#include "driver.h"
#include "store.h"

struct query {
	const char *name; // borrowed
	struct machine *machine; // NULL: its config.json is damaged
	enum machine_state state;
	char *url; // "" unless it runs
	char *engine; // "v26.1.5", or "Unknown"
	char *error; // "" when all is well
	bool active; // it runs, and $DOCKER_HOST is its URL
	long long response_ms;

	const struct context *ctx;
	int64_t deadline;
	bool wants_engine;
};

struct queries {
	struct query *items;
	size_t count;
	struct strv names;
};

// Loads all machines (in natural order) without asking them anything.
int queries_load(const struct context *ctx, struct queries *q, struct error *err) MUST_CHECK;
// Asks all of them at the same time; none takes longer than timeout_ms. wants_engine: also for the engine's version.
void queries_ask(struct queries *q, bool wants_engine, int timeout_ms);
void queries_done(struct queries *q);
