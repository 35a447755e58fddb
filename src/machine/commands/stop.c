// SPDX-License-Identifier: Apache-2.0
// `stop`: presses the power button and waits.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_stop, err);
}

const struct command command_stop = {
	.name = "stop",
	.aliases = { "down", "halt" },
	.arguments = "[NAME...]",
	.summary = "Stop a machine: press its power button and wait until it is off",
	.run = run,
};
