// SPDX-License-Identifier: Apache-2.0
// Doing one thing to several machines; see each.h.
#include "each.h"

#include "driver.h"
#include "lib/alloc.h"

#include <errno.h>
#include <pthread.h>

int machines_named(const struct context *ctx, const struct strv *operands, struct strv *ret_names, struct error *err)
{
	for (size_t i = 0; i < operands->count; i++)
		strv_push(ret_names, operands->items[i]);
	if (operands->count)
		return 0;
	const char *meant = ctx->vm ? ctx->vm : "default";
	if (!machine_exists(ctx, meant))
		return error_say(err, ENOENT, "Error: No machine name(s) specified and no \"%s\" machine exists",
				 meant);
	strv_push(ret_names, meant);
	return 0;
}

int machine_named(const struct context *ctx, const struct strv *operands, struct machine **ret, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = machines_named(ctx, operands, &names, err);

	if (r < 0)
		return r;
	if (names.count > 1)
		return error_say(err, EINVAL, "Error: Expected one machine name as an argument, but %zu were given",
				 names.count);
	return machine_load(ctx, names.items[0], ret, err);
}

struct thread {
	pthread_t id;
	void (*fn)(void *item);
	void *item;
	bool started;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->fn(t->item);
	return NULL;
}

void run_parallel(void (*fn)(void *item), void *items, size_t count, size_t size)
{
	cleanup_free struct thread *threads = xcalloc(count ? count : 1, sizeof(*threads));

	for (size_t i = 0; i < count; i++) {
		threads[i] = (struct thread){ .fn = fn, .item = (char *)items + i * size };
		// One alone, or no thread to be had: then here.
		threads[i].started = count > 1 && pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) == 0;
		if (!threads[i].started)
			fn(threads[i].item);
	}
	for (size_t i = 0; i < count; i++)
		if (threads[i].started)
			pthread_join(threads[i].id, NULL);
}

struct job {
	struct machine *machine;
	machine_action action;
	struct error err;
	int result;
};

static void run_job(void *item)
{
	struct job *job = item;

	job->result = job->action(job->machine, &job->err);
}

static int load_one(const struct context *ctx, const char *name, struct machine **ret, struct error *err)
{
	int r = machine_load(ctx, name, ret, err);

	return r == 0 ? machine_require_driver(*ret, err) : r;
}

int machines_visit(const struct context *ctx, const struct strv *operands, machine_visit visit, void *arg,
		   struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = machines_named(ctx, operands, &names, err);

	for (size_t i = 0; i < names.count && r == 0; i++) {
		cleanup_machine struct machine *m = NULL;
		r = load_one(ctx, names.items[i], &m, err);
		if (r == 0 && visit)
			r = visit(m, arg, err);
	}
	return r;
}

static int load_jobs(const struct context *ctx, const struct strv *names, machine_action action, struct job *jobs,
		     struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < names->count && r == 0; i++) {
		jobs[i].action = action;
		r = load_one(ctx, names->items[i], &jobs[i].machine, err);
	}
	return r;
}

static int last_failure(struct job *jobs, size_t count, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (jobs[i].result >= 0)
			continue;
		if (r < 0)
			fprintf(stderr, "%s\n", err->msg);
		r = jobs[i].result;
		*err = jobs[i].err;
	}
	return r;
}

int machines_each(const struct context *ctx, const struct strv *operands, machine_action action, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r = machines_named(ctx, operands, &names, err);

	if (r < 0)
		return r;
	cleanup_free struct job *jobs = xcalloc(names.count, sizeof(*jobs));
	r = load_jobs(ctx, &names, action, jobs, err);
	if (r == 0) {
		run_parallel(run_job, jobs, names.count, sizeof(*jobs));
		r = last_failure(jobs, names.count, err);
	}
	for (size_t i = 0; i < names.count; i++)
		machine_free(jobs[i].machine);
	return r;
}
