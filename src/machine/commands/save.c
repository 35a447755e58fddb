// SPDX-License-Identifier: Apache-2.0
// `save`: keeps a machine's memory on the disk, from where `start` goes on in an instant.
#include "commands.h"

#include "../each.h"
#include "../power.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, power_save, err);
}

const struct command command_save = {
	.name = "save",
	.aliases = { "suspend" },
	.arguments = "[NAME...]",
	.summary = "Save a machine as it runs: the next start goes on where it was, in an instant",
	.run = run,
};
