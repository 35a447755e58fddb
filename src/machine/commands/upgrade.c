// SPDX-License-Identifier: Apache-2.0
// `upgrade`: gives machines another image, or the newest of the one they have.
#include "commands.h"

#include "../driver.h"
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

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_strv struct strv names = STRV_INIT;
	int r = machines_named(ctx, operands, &names, err);

	// One after the other: each is without its engine meanwhile, and the host should not be without all.
	for (size_t i = 0; i < names.count && r == 0; i++) {
		cleanup_machine struct machine *m = NULL;
		r = machine_load(ctx, names.items[i], &m, err);
		if (r == 0)
			r = machine_require_driver(m, err);
		if (r == 0)
			r = machine_upgrade(m, options->image, err);
	}
	return r;
}

const struct command command_upgrade = {
	.name = "upgrade",
	.arguments = "[NAME...]",
	.summary = "Upgrade a machine to the newest image; its containers and volumes stay",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
