// SPDX-License-Identifier: Apache-2.0
// Asking many machines how they are; see query.h.
#include "query.h"

#include "each.h"
#include "engine.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

static void load_one(const struct context *ctx, const char *name, struct query *q)
{
	struct error err = ERROR_INIT;

	*q = (struct query){ .name = name, .ctx = ctx, .url = xstrdup(""), .engine = xstrdup("Unknown") };
	if (machine_load(ctx, name, &q->machine, &err) < 0)
		q->state = STATE_ERROR;
	q->error = xstrdup(err.msg);
}

int queries_load(const struct context *ctx, struct queries *q, struct error *err)
{
	int r = machine_list(ctx, &q->names, err);

	if (r < 0)
		return r;
	q->items = xcalloc(q->names.count + 1, sizeof(*q->items));
	q->count = q->names.count;
	for (size_t i = 0; i < q->count; i++)
		load_one(ctx, q->names.items[i], &q->items[i]);
	return 0;
}

static void replace(char **text, char *value)
{
	free(*text);
	*text = value;
}

static bool is_active_url(const char *url)
{
	const char *docker_host = getenv("DOCKER_HOST");

	return docker_host && *url && strcmp(docker_host, url) == 0;
}

static void ask_engine(struct query *q)
{
	struct error err = ERROR_INIT;
	char *version;
	int r = machine_engine_version(q->machine, q->deadline, &version, &err);

	if (r < 0) {
		if (r == -ETIMEDOUT)
			q->state = STATE_TIMEOUT;
		replace(&q->error, xasprintf("Unable to query docker version: %s", err.msg));
		return;
	}
	replace(&q->engine, xasprintf("v%s", version));
	free(version);
}

static void ask_one(void *item)
{
	struct query *q = item;
	struct error err = ERROR_INIT;
	int64_t started = clock_ms();

	if (!q->machine)
		return;
	if (machine_require_driver(q->machine, &err) < 0 ||
	    q->machine->driver->state(q->machine, (int)(q->deadline - started), &q->state, &err) < 0) {
		q->state = STATE_ERROR;
		replace(&q->error, xstrdup(err.msg));
		return;
	}
	if (q->state == STATE_RUNNING) {
		replace(&q->url, machine_url(q->machine));
		q->active = is_active_url(q->url);
		if (q->wants_engine)
			ask_engine(q);
	}
	cleanup_free char *trouble = q->state == STATE_STOPPED ? machine_trouble(q->machine) : NULL;
	if (trouble)
		replace(&q->error, xstrdup(trouble));
	q->response_ms = clock_ms() - started;
}

void queries_ask(struct queries *q, bool wants_engine, int timeout_ms)
{
	for (size_t i = 0; i < q->count; i++) {
		q->items[i].wants_engine = wants_engine;
		q->items[i].deadline = clock_ms() + timeout_ms;
	}
	run_parallel(ask_one, q->items, q->count, sizeof(*q->items));
}

void queries_done(struct queries *q)
{
	for (size_t i = 0; i < q->count; i++) {
		machine_free(q->items[i].machine);
		free(q->items[i].url);
		free(q->items[i].engine);
		free(q->items[i].error);
	}
	free(q->items);
	strv_done(&q->names);
}
