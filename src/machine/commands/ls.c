// SPDX-License-Identifier: Apache-2.0
// `ls`: the machines, asked all at the same time.
#include "commands.h"

#include "../list.h"
#include "../table.h"
#include "lib/alloc.h"

#include <errno.h>
#include <string.h>

struct options {
	bool quiet;
	struct strv filter;
	int timeout;
	char *format;
};

static const char DEFAULT_FORMAT[] = "table {{.Name}}\t{{.Active}}\t{{.DriverName}}\t{{.State}}\t{{.URL}}\t{{.Swarm}}\t"
				     "{{.DockerVersion}}\t{{.Error}}";

static const struct option_row rows[] = {
	{ "quiet", 'q', OPTION_BOOL, offsetof(struct options, quiet), .help = "Enable quiet mode" },
	{ "filter", 0, OPTION_LIST, offsetof(struct options, filter), .argument = "KEY=VALUE",
	  .help = "Filter output based on conditions provided: driver, label, name (a regular expression), state, "
		  "swarm" },
	{ "timeout", 't', OPTION_INT, offsetof(struct options, timeout), "MACHINE_LS_TIMEOUT", "10", "SECONDS",
	  "Timeout in seconds", 1, 86400 },
	{ "format", 'f', OPTION_STRING, offsetof(struct options, format), .argument = "TEMPLATE",
	  .help = "Pretty-print machines using fields such as {{.Name}}; \"table \" before it gives headers" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

// Those that the filter lets through move to the front; returns how many, or a negative error.
static int apply_filter(struct queries *all, const struct list_filter *filter, struct error *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++) {
		int match = list_filter_match(filter, &all->items[i], err);
		if (match < 0)
			return match;
		if (match) {
			struct query swapped = all->items[kept];
			all->items[kept++] = all->items[i];
			all->items[i] = swapped;
		}
	}
	return (int)kept;
}

static void print_names(const struct queries *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s\n", all->items[i].name);
}

static int print_formatted(const struct queries *all, size_t count, const struct list_format *format, struct error *err)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = format->is_table ? 0 : 1; i <= count; i++) {
		cleanup_buf struct buf line = BUF_INIT;
		int r = list_format_line(format, i ? &all->items[i - 1] : NULL, &line, err);
		if (r < 0)
			return r;
		strv_push(&lines, buf_str(&line));
	}
	if (format->is_table)
		table_layout(&lines, &text);
	else
		for (size_t i = 0; i < lines.count; i++)
			buf_printf(&text, "%s\n", lines.items[i]);
	fputs(buf_str(&text), stdout);
	return 0;
}

static int list(struct queries *all, const struct options *options, const struct list_filter *filter,
		const struct list_format *format, struct error *err)
{
	// Names alone are known without asking anybody, unless the state decides which.
	if (!options->quiet || filter->state.count)
		queries_ask(all, !options->quiet && format->shows_engine, options->timeout * 1000);
	int count = apply_filter(all, filter, err);
	if (count < 0)
		return count;
	if (!options->quiet)
		return print_formatted(all, (size_t)count, format, err);
	print_names(all, (size_t)count);
	return 0;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	const char *text = options->format && *options->format ? options->format : DEFAULT_FORMAT;
	struct list_filter filter = { 0 };
	struct list_format format = { 0 };
	struct queries all = { 0 };

	if (operands->count)
		return error_say(err, EINVAL, "Error: ls takes no arguments; use --filter name=%s", operands->items[0]);
	int r = list_filter_parse(&options->filter, &filter, err);
	if (r == 0)
		r = list_format_parse(text, &format, err);
	if (r == 0)
		r = queries_load(ctx, &all, err);
	if (r == 0)
		r = list(&all, options, &filter, &format, err);
	queries_done(&all);
	template_free(format.line);
	list_filter_done(&filter);
	return r;
}

const struct command command_ls = {
	.name = "ls",
	.arguments = "",
	.summary = "List machines",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
