// SPDX-License-Identifier: Apache-2.0
// The command that builds the kernel and nothing else: to try a configuration, or to fill the cache beforehand.

#include "image/kernel_command.h"

#include "image/cache_lock.h"
#include "image/fetch_options.h"
#include "image/kernel_build.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

struct options {
	struct fetch_options fetch;
	char *source, *config, *extra, *output, *work;
};

static const struct option_row kernel_options[] = {
	{ "source", 0, OPTION_STRING, offsetof(struct options, source), NULL, "linux-source-6.12", "PACKAGE",
	  "Debian's package of the kernel's source" },
	{ "config", 0, OPTION_STRING, offsetof(struct options, config), NULL, "distro/kernel", "DIR",
	  "the fragments of its configuration (*.config)" },
	{ "kernel-config", 0, OPTION_STRING, offsetof(struct options, extra), NULL, NULL, "FILE",
	  "one more fragment, whose options win over those of --config" },
	{ "work", 'w', OPTION_STRING, offsetof(struct options, work), NULL, NULL, "DIR",
	  "build in this folder and keep it: the next build there compiles only what changed" },
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), NULL, NULL, "DIR",
	  "copy the package there too" },
	{ NULL },
};

static const struct option_row *const tables[] = { kernel_options, fetch_option_rows, NULL };

static void print_help(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_puts(&text, "Usage: b2d-image kernel [OPTION…]\n\n"
			"Builds the kernel as a Debian package and prints its path.\n\n");
	option_help(tables, &text);
	fputs(buf_str(&text), stdout);
}

// The cache's lock is held for apt's sake only: others can build images while the kernel compiles.
static int make_plan(const struct kernel_build_spec *spec, struct kernel_plan *ret, struct error *err)
{
	cleanup_close int lock = -1;
	int r = cache_lock(spec->apt->cache, &lock, err);

	return r < 0 ? r : kernel_plan(spec, ret, err);
}

static int hand_out(const struct options *o, const char *path, struct error *err)
{
	cleanup_free char *copy = NULL;
	int r = 0;

	if (o->output) {
		copy = path_join(o->output, path_base(path));
		r = file_mkdirs(o->output, 0755, err);
		if (r == 0)
			r = file_copy(path, copy, 0644, err);
	}
	if (r == 0)
		puts(copy ? copy : path);
	return r;
}

static int run(struct options *o, struct error *err)
{
	cleanup_kernel_plan struct kernel_plan plan = { .path = NULL };
	struct apt_spec apt;
	struct kernel_build_spec spec = { .apt = &apt, .source = o->source, .config = o->config, .extra = o->extra };
	struct apt_set built = { .count = 0 };
	int r = fetch_options_resolve(&o->fetch, err);

	if (r < 0)
		return r;
	apt = fetch_options_apt(&o->fetch);
	spec.jobs = o->fetch.jobs;
	r = make_absolute(&o->work, err);
	if (r < 0)
		return r;
	spec.work = o->work;
	r = make_plan(&spec, &plan, err);
	if (r == 0)
		r = kernel_build(&spec, &plan, &built, err);
	if (r == 0)
		r = hand_out(o, plan.path, err);
	apt_set_done(&built);
	return r;
}

int kernel_command(int argc, char **argv, struct error *err)
{
	struct options o = { .source = NULL };
	int r = option_parse(tables, &o, argc, argv, &(struct option_parse){ .operands = NULL }, err);

	if (r == 0 && o.fetch.help)
		print_help();
	else if (r == 0)
		r = run(&o, err);
	option_done(tables, &o);
	return r;
}
