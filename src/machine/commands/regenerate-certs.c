// SPDX-License-Identifier: Apache-2.0
// `regenerate-certs`: new certificates for running machines, and for the client.
#include "commands.h"

#include "../certs.h"
#include "../each.h"
#include "../handover.h"
#include "../prompt.h"
#include "lib/log.h"

struct options {
	bool force, client_certs;
};

static const struct option_row rows[] = {
	{ "force", 'f', OPTION_BOOL, offsetof(struct options, force), .help = "Force rebuild and do not prompt" },
	{ "client-certs", 0, OPTION_BOOL, offsetof(struct options, client_certs),
	  .help = "Also regenerate client certificates and CA." },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int regenerate(struct machine *m, struct error *err)
{
	return handover_again(m, PROVISION_CERTIFICATES, true, err);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	int r = machines_visit(ctx, operands, NULL, NULL, err);

	if (r < 0)
		return r;
	if (!options->force && !prompt_yes("Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): "))
		return 0;
	log_info("Regenerating TLS certificates");
	if (options->client_certs)
		r = certs_renew_client(ctx, err);
	return r < 0 ? r : machines_each(ctx, operands, regenerate, err);
}

const struct command command_regenerate_certs = {
	.name = "regenerate-certs",
	.arguments = "[NAME...]",
	.summary = "Regenerate TLS Certificates for a machine",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
