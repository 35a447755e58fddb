// SPDX-License-Identifier: Apache-2.0
// `provision`: gives running machines their host name, profile and certificates again, over SSH.
#include "commands.h"

#include "../each.h"
#include "../handover.h"

static int provision(struct machine *m, struct error *err)
{
	return handover_again(m, PROVISION_ALL, false, err);
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	(void)options;
	return machines_each(ctx, operands, provision, err);
}

const struct command command_provision = {
	.name = "provision",
	.arguments = "[NAME...]",
	.summary = "Re-provision existing machines: host name, engine profile and certificates, over SSH",
	.run = run,
};
