// SPDX-License-Identifier: Apache-2.0
// `ip`: the machine's address.
#include "commands.h"

#include "../driver.h"
#include "../each.h"

static int print_ip(struct machine *m, struct error *err)
{
	int r = machine_require_running(m, err);

	if (r == 0)
		printf("%s\n", machine_ip(m));
	return r;
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, print_ip, err);
}

const struct command command_ip = {
	.name = "ip",
	.arguments = "[NAME...]",
	.summary = "Get the IP address of a machine",
	.run = run,
};
