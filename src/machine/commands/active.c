// SPDX-License-Identifier: Apache-2.0
// `active`: the machine that $DOCKER_HOST points to.
#include "commands.h"

#include "../query.h"

#include <errno.h>

struct options {
	int timeout;
};

static const struct option_row rows[] = {
	{ "timeout", 't', OPTION_INT, offsetof(struct options, timeout), NULL, "10", "SECONDS", "Timeout in seconds", 1,
	  86400 },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	struct queries all = { 0 };
	const char *found = NULL;

	if (operands->count)
		return error_say(err, EINVAL, "Error: Too many arguments given.");
	int r = queries_load(ctx, &all, err);
	if (r < 0)
		return r;
	queries_ask(&all, false, options->timeout * 1000);
	for (size_t i = 0; i < all.count && !found; i++)
		found = all.items[i].active ? all.items[i].name : NULL;
	if (found)
		printf("%s\n", found);
	else
		r = error_say(err, ENOENT, "No active host found");
	queries_done(&all);
	return r;
}

const struct command command_active = {
	.name = "active",
	.arguments = "",
	.summary = "Print which machine is active",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
