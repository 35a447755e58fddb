// SPDX-License-Identifier: Apache-2.0
// `download`: fetches an image into the cache, from which machines are made.
#include "commands.h"

#include "../image.h"

#include <errno.h>

static const struct option_row rows[] = {
	{ "isourl", 0, OPTION_STRING, 0, NULL, "", "URL",
	  "Where the image comes from: an ISO, or a list of releases (default: ISOURL of the profile)" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	char *const *url = arg;
	const char *source = operands->count ? operands->items[0] : *url;

	if (operands->count > 1 || !*source)
		return error_say(
			err, EINVAL,
			"Error: name one image: %s download URL, or ISOURL in the profile; an ISO, or a list of "
			"releases such as https://api.github.com/repos/OWNER/NAME/releases",
			ctx->program);
	return image_download(ctx, source, err);
}

const struct command command_download = {
	.name = "download",
	.arguments = "[URL]",
	.summary = "Fetch an image into the cache, from which machines are made",
	.options = tables,
	.options_size = sizeof(char *),
	.run = run,
};
