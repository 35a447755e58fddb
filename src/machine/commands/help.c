// SPDX-License-Identifier: Apache-2.0
// `help`: the list of commands, or one command's flags.
#include "commands.h"

#include <errno.h>

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	const struct command *command;

	(void)options;
	if (!operands->count) {
		command_list(ctx);
		return 0;
	}
	command = command_find(operands->items[0]);
	if (!command)
		return error_say(err, EINVAL, "No help topic for '%s'", operands->items[0]);
	command_help(ctx, command);
	return 0;
}

const struct command command_help_row = {
	.name = "help",
	.aliases = { "h" },
	.arguments = "[COMMAND]",
	.summary = "Shows a list of commands or help for one command",
	.run = run,
};
