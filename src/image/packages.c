// SPDX-License-Identifier: Apache-2.0
// Unpacks the packages on several threads: each takes the next one until none is left or one has failed.

#include "image/packages.h"

#include "image/glob.h"
#include "lib/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define JOBS_MAX 64

struct want {
	const struct manifest *m;
	const char *package;
	bool is_pool, is_kernel, is_boot;
};

struct work {
	const struct manifest *m;
	const struct strv *kernel;
	struct packages *packages;
	atomic_size_t next;
	pthread_mutex_t lock; // for the two below
	struct error *err;
	int result;
};

bool packages_is_documentation(const char *path)
{
	static const char *const folders[] = { "/usr/share/doc/",      "/usr/share/man/",     "/usr/share/info/",
					       "/usr/share/locale/",   "/usr/share/lintian/", "/usr/share/bug/",
					       "/usr/share/doc-base/", "/usr/include/" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return true;
	return false;
}

static bool is_wanted(const char *path, void *arg)
{
	const struct want *want = arg;

	if (want->is_boot || (want->is_pool && strstr(path, ".so")))
		return true;
	if (want->is_kernel &&
	    (strncmp(path, "/boot/vmlinuz-", 14) == 0 || strncmp(path, "/usr/lib/modules/", 17) == 0))
		return true;
	for (size_t i = 0; i < want->m->rule_count; i++) {
		const struct rule *rule = &want->m->rules[i];

		if (!rule->package || strcmp(rule->package, want->package) != 0)
			continue;
		if (rule->kind == RULE_ALL)
			return !packages_is_documentation(path);
		for (size_t j = rule->kind == RULE_CONCAT ? 1 : 0; j < rule->args.count; j++) {
			if (glob_match(rule->args.items[j], path))
				return true;
		}
	}
	return false;
}

static int read_one(const struct work *work, struct package *p, struct error *err)
{
	struct want want = {
		.m = work->m,
		.package = p->apt->name,
		.is_pool = p->is_pool,
		.is_kernel = strv_contains(work->kernel, p->apt->name),
		.is_boot = strv_contains(&work->m->boot_packages, p->apt->name),
	};

	return deb_read(p->apt->path, is_wanted, &want, &p->deb, err);
}

static void *worker(void *arg)
{
	struct work *work = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&work->next, 1);
		struct error err = ERROR_INIT;
		int r;

		if (i >= work->packages->count)
			return NULL;
		r = read_one(work, &work->packages->items[i], &err);
		if (r == 0)
			continue;
		pthread_mutex_lock(&work->lock);
		if (work->result == 0) {
			work->result = r;
			if (work->err)
				*work->err = err;
		}
		pthread_mutex_unlock(&work->lock);
		atomic_store(&work->next, work->packages->count);
	}
}

static bool is_pool(const struct manifest *m, const char *name)
{
	for (size_t i = 0; i < m->package_count; i++) {
		if (strcmp(m->packages[i].name, name) == 0)
			return m->packages[i].is_pool;
	}
	return false;
}

int packages_read(const struct manifest *m, const struct apt_set *set, const struct strv *kernel, int jobs,
		  struct packages *ret, struct error *err)
{
	struct packages packages = { .items = xcalloc(set->count + 1, sizeof(struct package)), .count = set->count };
	struct work work = {
		.m = m, .kernel = kernel, .packages = &packages, .lock = PTHREAD_MUTEX_INITIALIZER, .err = err
	};
	pthread_t threads[JOBS_MAX];
	int started = 0;

	for (size_t i = 0; i < set->count; i++) {
		packages.items[i].apt = &set->items[i];
		packages.items[i].is_pool = is_pool(m, set->items[i].name);
	}
	while (started < jobs - 1 && started < JOBS_MAX && pthread_create(&threads[started], NULL, worker, &work) == 0)
		started++;
	worker(&work); // this thread works too, so it goes on even where no other could be started
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (work.result < 0)
		packages_done(&packages);
	else
		*ret = packages;
	return work.result;
}

void packages_done(struct packages *p)
{
	for (size_t i = 0; i < p->count; i++)
		deb_done(&p->items[i].deb);
	free(p->items);
	*p = (struct packages){ .count = 0 };
}

const struct package *packages_find(const struct packages *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++) {
		if (strcmp(p->items[i].apt->name, name) == 0)
			return &p->items[i];
	}
	return NULL;
}
