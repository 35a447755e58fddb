// SPDX-License-Identifier: Apache-2.0
// `config`: the docker client's flags for a machine.
#include "commands.h"

#include "../connection.h"
#include "../each.h"

struct options {
	bool swarm;
};

static const struct option_row rows[] = {
	{ "swarm", 0, OPTION_BOOL, offsetof(struct options, swarm),
	  .help = "Accepted for compatibility: there is no classic Swarm any more" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *url = NULL;

	(void)arg;
	// The older tool's `config` prints its profile.
	if (context_is_boot2docker(ctx) && !operands->count) {
		cleanup_strv struct strv words = STRV_INIT;
		strv_push(&words, "cfg");
		return command_call(ctx, &words, err);
	}
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = connection_check(m, &url, err);
	if (r < 0)
		return r;
	printf("--tlsverify\n--tlscacert=\"%s/ca.pem\"\n--tlscert=\"%s/cert.pem\"\n--tlskey=\"%s/key.pem\"\n-H=%s\n",
	       m->dir, m->dir, m->dir, url);
	return 0;
}

const struct command command_config = {
	.name = "config",
	.arguments = "[NAME]",
	.summary = "Print the connection config for machine; of boot2docker, without a name: the profile in use",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
