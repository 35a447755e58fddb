// SPDX-License-Identifier: Apache-2.0
// `start`: starts a machine and waits until its engine answers.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_start, err);
}

const struct command command_start = {
	.name = "start",
	.arguments = "[NAME...]",
	.summary = "Start a machine and wait until its engine answers",
	.run = run,
};
