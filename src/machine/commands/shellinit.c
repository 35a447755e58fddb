// SPDX-License-Identifier: Apache-2.0
// `shellinit`: the older tool's `env`.
#include "commands.h"

#include "../connection.h"
#include "../each.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *url = NULL;

	(void)options;
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = connection_check(m, &url, err);
	if (r == 0)
		connection_print_exports(m, url);
	return r;
}

const struct command command_shellinit = {
	.name = "shellinit",
	.aliases = { "socket" },
	.arguments = "[NAME]",
	.summary = "Display the shell command to set up the Docker client; see also env",
	.run = run,
};
