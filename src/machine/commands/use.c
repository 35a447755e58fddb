// SPDX-License-Identifier: Apache-2.0
// `use`: makes a machine's docker context the current one, for all shells; `env` is for one shell.
#include "commands.h"

#include "../docker-context.h"
#include "../each.h"
#include "lib/alloc.h"
#include "lib/log.h"

#include <errno.h>

struct options {
	bool unset;
};

static const struct option_row rows[] = {
	{ "unset", 'u', OPTION_BOOL, offsetof(struct options, unset),
	  .help = "Go back to the docker client's default" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

// What the client itself says when it is told to use a context.
static void warn_of_variables(const char *name)
{
	static const char *const variables[] = { "DOCKER_HOST", "DOCKER_CONTEXT" };

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = getenv(variables[i]);
		if (value && *value)
			log_warn("%s environment variable overrides the active context. To use \"%s\", unset it (%s)",
				 variables[i], name, "unset DOCKER_HOST DOCKER_CONTEXT");
	}
}

static int use(const struct machine *m, struct error *err)
{
	cleanup_free char *name = docker_context_name(m->name);
	int r = docker_context_write(m, err);

	if (r == 0)
		r = docker_context_use(name, err);
	if (r < 0)
		return error_wrap(err, "machine \"%s\"", m->name);
	printf("Current context is now \"%s\"\n", name);
	warn_of_variables(name);
	return 0;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;

	if (options->unset && operands->count)
		return error_say(err, EINVAL, "Error: Expected no machine name when the -u flag is present");
	if (options->unset)
		return docker_context_use(NULL, err);
	int r = machine_named(ctx, operands, &m, err);
	return r < 0 ? r : use(m, err);
}

const struct command command_use = {
	.name = "use",
	.arguments = "[NAME]",
	.summary =
		"Let the docker client talk to a machine, in all shells (its docker context becomes the current one)",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
