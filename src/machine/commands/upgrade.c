// SPDX-License-Identifier: Apache-2.0
// `upgrade`: gives machines another image, or the newest of the one they have.
#include "commands.h"

#include "../each.h"
#include "../upgrade.h"

struct options {
	char *image;
};

static const struct option_row rows[] = {
	{ "image", 0, OPTION_STRING, offsetof(struct options, image), NULL, "", "PATH|URL",
	  "The new image (default: where the machine's own came from, else the installed or cached one)" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int upgrade(struct machine *m, void *image, struct error *err)
{
	return machine_upgrade(m, image, err);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;

	// One after the other: each is without its engine meanwhile, and the host should not be without all.
	return machines_visit(ctx, operands, upgrade, options->image, err);
}

const struct command command_upgrade = {
	.name = "upgrade",
	.arguments = "[NAME...]",
	.summary = "Upgrade a machine to the newest image; its containers and volumes stay",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
