// SPDX-License-Identifier: Apache-2.0
// `kill`: ends a machine at once.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_kill, err);
}

const struct command command_kill = {
	.name = "kill",
	.aliases = { "poweroff" },
	.arguments = "[NAME...]",
	.summary = "Kill a machine: end it at once, as if its power had been cut",
	.run = run,
};
