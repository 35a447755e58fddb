// SPDX-License-Identifier: Apache-2.0
// `cfg`: the older tool's profile in use, as TOML.
#include "commands.h"

#include "../older-profile.h"

#include <errno.h>

static const struct option_row *const tables[] = { older_profile_rows, NULL };

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;

	(void)ctx;
	if (operands->count)
		return error_say(err, EINVAL, "Error: cfg takes flags only, not \"%s\"", operands->items[0]);
	older_profile_write(arg, &text);
	fputs(buf_str(&text), stdout);
	return 0;
}

const struct command command_cfg = {
	.name = "cfg",
	.arguments = "",
	.summary = "Print the profile in use (~/.boot2docker/profile, and the flags given) as TOML",
	.options = tables,
	.options_size = sizeof(struct older_profile),
	.takes_profile = true,
	.run = run,
};
