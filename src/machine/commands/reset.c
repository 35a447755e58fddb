// SPDX-License-Identifier: Apache-2.0
// `reset`: the reset button.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_reset, err);
}

const struct command command_reset = {
	.name = "reset",
	.arguments = "[NAME...]",
	.summary = "Kill a machine and start it again, as its reset button would",
	.run = run,
};
