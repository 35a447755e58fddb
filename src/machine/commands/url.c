// SPDX-License-Identifier: Apache-2.0
// `url`: where the machine's engine listens.
#include "commands.h"

#include "../driver.h"
#include "../each.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;

	(void)options;
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = machine_require_running(m, err);
	if (r < 0)
		return r;
	cleanup_free char *url = machine_url(m);
	printf("%s\n", url);
	return 0;
}

const struct command command_url = {
	.name = "url",
	.arguments = "[NAME]",
	.summary = "Get the URL of a machine",
	.run = run,
};
