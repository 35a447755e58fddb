// SPDX-License-Identifier: Apache-2.0
// `start`: starts a machine and waits until its engine answers.
#include "commands.h"

#include "../connection.h"
#include "../each.h"
#include "../power.h"

#include <string.h>

static int tell(struct machine *m, struct error *err)
{
	cleanup_free char *url = NULL;
	int r = connection_check(m, &url, err);

	if (r < 0)
		return r;
	printf("To connect the Docker client to the Docker daemon, please set:\n");
	connection_print_exports(m, url);
	return 0;
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	// The older tool's verbs end with what to tell the shell.
	bool is_older = strcmp(ctx->operands.items[0], command_start.name) != 0;

	(void)options;
	int r = machines_each(ctx, operands, power_start, err);
	return r < 0 || !is_older ? r : machines_each(ctx, operands, tell, err);
}

const struct command command_start = {
	.name = "start",
	.aliases = { "up", "boot", "resume" },
	.arguments = "[NAME...]",
	.summary = "Start a machine and wait until its engine answers",
	.run = run,
};
