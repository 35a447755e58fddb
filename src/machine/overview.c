// SPDX-License-Identifier: Apache-2.0
// Where things stand, and the next step; see overview.h.
#include "overview.h"

#include "docker-context.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "query.h"
#include "table.h"

#include <string.h>

enum { STATE_PATIENCE_MS = 2000 };

// Which machine the next step is about: the active one, else the one that is meant without a name, else the first.
static const struct query *choose(const struct queries *all)
{
	const char *meant = all->items[0].ctx->vm ? all->items[0].ctx->vm : "default";

	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].active)
			return &all->items[i];
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i].name, meant) == 0)
			return &all->items[i];
	return &all->items[0];
}

static bool is_current(const struct query *q, const char *current)
{
	cleanup_free char *context = docker_context_name(q->name);
	const char *host = getenv("DOCKER_HOST");

	return context && !(host && *host) && strcmp(context, current) == 0;
}

static void step(const char *command, const char *name, const char *what)
{
	cleanup_free char *line = xasprintf("%s%s%s", command, *name ? " " : "", name);

	printf("    %-34s  %s\n", line, what);
}

static void print_step(const struct query *q, const char *current)
{
	cleanup_free char *env = xasprintf("eval \"$(boot2docker env %s)\"", q->name);

	printf("\nNext:\n");
	if (!q->machine) {
		step("boot2docker rm -f", q->name, "remove what is left of the damaged machine");
	} else if (q->state == STATE_RUNNING && !q->active && !is_current(q, current)) {
		step(env, "", "let the docker client of this shell talk to it");
		step("boot2docker use", q->name, "or that of all shells");
	} else if (q->state == STATE_RUNNING) {
		step("docker run --rm hello-world", "", "the docker client talks to this machine");
	} else if (q->state == STATE_ERROR || q->state == STATE_TIMEOUT) {
		step("boot2docker doctor", q->name, "see what is wrong");
	} else {
		step("boot2docker start", q->name, "start it");
	}
}

static void print_table(const struct queries *all, const char *current)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;

	strv_push(&lines, "MACHINE\tSTATE\tURL\t");
	for (size_t i = 0; i < all->count; i++) {
		const struct query *q = &all->items[i];
		const char *mark = q->active ? "this shell" : is_current(q, current) ? "docker context" : "";
		strv_pushf(&lines, "%s\t%s\t%s\t%s", q->name, machine_state_name(q->state), q->url, mark);
	}
	table_layout(&lines, &text);
	fputs(buf_str(&text), stdout);
}

static void print(const struct queries *all)
{
	cleanup_free char *current = docker_context_current();

	if (!all->count) {
		printf("There is no machine yet.\n\nNext:\n");
		step("boot2docker create default", "", "make one, with a Docker engine in it");
	} else {
		print_table(all, current);
		print_step(choose(all), current);
	}
	step("boot2docker help", "", "all commands");
	step("boot2docker doctor", "", "what is wrong, if something is");
}

int overview_print(const struct context *ctx, struct error *err)
{
	struct queries all = { 0 };
	int r = queries_load(ctx, &all, err);

	if (r == 0) {
		queries_ask(&all, false, STATE_PATIENCE_MS);
		print(&all);
	}
	queries_done(&all);
	return r;
}
