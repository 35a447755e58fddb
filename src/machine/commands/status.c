// SPDX-License-Identifier: Apache-2.0
// `status`: the machine's state.
#include "commands.h"

#include "../driver.h"
#include "../each.h"

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	enum machine_state state;

	(void)options;
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = machine_get_state(m, &state, err);
	if (r == 0)
		printf("%s\n", machine_state_name(state));
	cleanup_free char *trouble =
		r == 0 && (state == STATE_STOPPED || state == STATE_RUNNING) ? machine_trouble(m) : NULL;
	if (trouble)
		fprintf(stderr, "%s\n", trouble);
	return r;
}

const struct command command_status = {
	.name = "status",
	.arguments = "[NAME]",
	.summary = "Get the status of a machine",
	.run = run,
};
