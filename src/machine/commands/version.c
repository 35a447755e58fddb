// SPDX-License-Identifier: Apache-2.0
// `version`: of this program, or of a machine's engine.
#include "commands.h"

#include "../driver.h"
#include "../each.h"
#include "../engine.h"
#include "lib/clock.h"
#include "lib/version.h"

enum { ENGINE_TIMEOUT_MS = 10 * 1000 };

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *version = NULL;

	(void)options;
	if (!operands->count) {
		printf("%s version %s\n", ctx->program, B2D_VERSION);
		return 0;
	}
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = machine_require_running(m, err);
	if (r == 0)
		r = machine_engine_version(m, clock_ms() + ENGINE_TIMEOUT_MS, &version, err);
	if (r == 0)
		printf("%s\n", version);
	return r;
}

const struct command command_version = {
	.name = "version",
	.arguments = "[NAME]",
	.summary = "Show the version of this program, or of a machine's engine",
	.run = run,
};
