// SPDX-License-Identifier: Apache-2.0
// `inspect`: the machine's config.json, whole or through a template.
#include "commands.h"

#include "../each.h"
#include "../template/template.h"

#include <errno.h>

struct options {
	char *format;
};

static const struct option_row rows[] = {
	{ "format", 'f', OPTION_STRING, offsetof(struct options, format), .argument = "TEMPLATE",
	  .help = "Format the output using the given go template, such as {{.Driver.SSHUser}}" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int print_formatted(const struct template *format, const json_t *config, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = template_render(format, config, false, &text, err);

	fwrite(buf_str(&text), 1, text.len, stdout);
	if (r == 0)
		putchar('\n');
	return r;
}

static int print_whole(const json_t *config, struct error *err)
{
	if (json_dumpf(config, stdout, JSON_INDENT(4) | JSON_PRESERVE_ORDER) < 0)
		return error_set(err, errno, "write the JSON");
	putchar('\n');
	return 0;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;
	cleanup_template struct template *format = NULL;

	int r = machine_named(ctx, operands, &m, err);
	if (r < 0)
		return r;
	if (!options->format || !*options->format)
		return print_whole(m->config, err);
	r = template_parse(options->format, &format, err);
	if (r < 0)
		return error_wrap(err, "Template parsing error");
	return print_formatted(format, m->config, err);
}

const struct command command_inspect = {
	.name = "inspect",
	.arguments = "[NAME]",
	.summary = "Inspect information about a machine",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
