// SPDX-License-Identifier: Apache-2.0
// `__manual`: the manual page. Its prose is in the file given; what tables know, it puts in the place of @VERSION@,
// @GLOBAL_OPTIONS@ and @COMMANDS@.
#include "commands.h"

#include "lib/file.h"
#include "lib/version.h"

#include <errno.h>
#include <string.h>

enum { PROSE_MAX = 1 << 20 };

// Text as roff wants it: dashes that can be copied, no requests by accident.
static void add_text(struct buf *page, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_puts(page, "\\&");
	for (; *text; text++)
		if (*text == '-')
			buf_puts(page, "\\-");
		else if (*text == '\\')
			buf_puts(page, "\\e");
		else
			buf_add(page, text, 1);
}

static void add_option(struct buf *page, const struct option_row *row)
{
	buf_puts(page, ".TP\n\\fB\\-\\-");
	add_text(page, row->name);
	buf_puts(page, "\\fR");
	if (row->letter)
		buf_printf(page, ", \\fB\\-%c\\fR", row->letter);
	if (row->argument) {
		buf_puts(page, " \\fI");
		add_text(page, row->argument);
		buf_puts(page, "\\fR");
	}
	buf_putc(page, '\n');
	add_text(page, row->help);
	if (row->value && *row->value) {
		buf_puts(page, " (default: ");
		add_text(page, row->value);
		buf_putc(page, ')');
	}
	if (row->env)
		buf_printf(page, " [$%s]", row->env);
	buf_putc(page, '\n');
}

static void add_options(struct buf *page, const struct option_row *const *tables)
{
	for (; tables && *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++)
			if (row->help)
				add_option(page, row);
}

static void add_command(struct buf *page, const struct command *command)
{
	buf_puts(page, ".SS \"");
	add_text(page, command->name);
	buf_printf(page, "%s%s%s\"\n", command->options ? " [OPTIONS]" : "", *command->arguments ? " " : "",
		   command->arguments);
	add_text(page, command->summary);
	buf_puts(page, ".\n");
	command_add_aliases(command, "Also: ", page);
	if (command->aliases[0])
		buf_puts(page, ".\n");
	add_options(page, command->options);
}

static void add_commands(struct buf *page)
{
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->run && !(*c)->hidden)
			add_command(page, *c);
}

static void add_global_options(struct buf *page)
{
	static const struct option_row *const globals[] = { context_options, NULL };

	add_options(page, globals);
}

static void add_version(struct buf *page)
{
	buf_puts(page, B2D_VERSION);
}

static const struct part {
	const char *mark;
	void (*add)(struct buf *page);
} parts[] = {
	{ "@VERSION@", add_version },
	{ "@GLOBAL_OPTIONS@\n", add_global_options },
	{ "@COMMANDS@\n", add_commands },
};

static const struct part *part_at(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strncmp(text, parts[i].mark, strlen(parts[i].mark)) == 0)
			return &parts[i];
	return NULL;
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_buf struct buf prose = BUF_INIT;
	cleanup_buf struct buf page = BUF_INIT;

	(void)ctx;
	(void)options;
	if (operands->count != 1)
		return error_say(err, EINVAL, "__manual takes one file: the prose of the page");
	int r = file_read(operands->items[0], PROSE_MAX, &prose, err);
	if (r < 0)
		return r;
	for (const char *text = buf_str(&prose); *text;) {
		const struct part *part = part_at(text);
		if (part) {
			part->add(&page);
			text += strlen(part->mark);
		} else {
			buf_add(&page, text++, 1);
		}
	}
	fputs(buf_str(&page), stdout);
	return 0;
}

const struct command command_manual = {
	.name = "__manual",
	.arguments = "FILE",
	.summary = "The manual page",
	.hidden = true,
	.run = run,
};
