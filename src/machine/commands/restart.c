// SPDX-License-Identifier: Apache-2.0
// `restart`: stops a machine and starts it again.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_restart, err);
}

const struct command command_restart = {
	.name = "restart",
	.arguments = "[NAME...]",
	.summary = "Restart a machine",
	.run = run,
};
