// SPDX-License-Identifier: Apache-2.0
// `inspect`: the machine's config.json.
#include "commands.h"

#include "../each.h"

#include <errno.h>

struct options {
	char *format;
};

static const struct option_row rows[] = {
	{ "format", 'f', OPTION_STRING, offsetof(struct options, format), .argument = "TEMPLATE",
	  .help = "Not there yet in this version" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;

	if (options->format && *options->format)
		return error_say(err, ENOSYS,
				 "inspect --format is not there yet in this version; without it, the JSON is whole");
	int r = machine_named(ctx, operands, &m, err);
	if (r < 0)
		return r;
	if (json_dumpf(m->config, stdout, JSON_INDENT(4) | JSON_PRESERVE_ORDER) < 0)
		return error_set(err, errno, "write the JSON");
	putchar('\n');
	return 0;
}

const struct command command_inspect = {
	.name = "inspect",
	.arguments = "[NAME]",
	.summary = "Inspect information about a machine",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
