// SPDX-License-Identifier: Apache-2.0
// `system df` and `system prune`: what the store takes on the disk, and removing what no machine uses.
#include "commands.h"

#include "../prompt.h"
#include "../table.h"
#include "../usage.h"
#include "lib/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct options {
	bool all, force, verbose;
};

static const struct option_row rows[] = {
	{ "all", 'a', OPTION_BOOL, offsetof(struct options, all),
	  .help = "prune: also images that no machine has, and templates: they are fetched and made again when they "
		  "are needed" },
	{ "force", 'f', OPTION_BOOL, offsetof(struct options, force), .help = "prune: do not ask" },
	{ "verbose", 'v', OPTION_BOOL, offsetof(struct options, verbose), .help = "df: each thing, and who has it" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static const char *const kind_names[USAGE_KINDS] = {
	[USAGE_MACHINES] = "Machines",   [USAGE_SAVED] = "Saved states", [USAGE_SYSTEMS] = "Systems",
	[USAGE_TEMPLATES] = "Templates", [USAGE_IMAGES] = "Images",      [USAGE_LEFTOVERS] = "Leftovers",
};

// --- df ---

static void add_total(const struct usage *u, enum usage_kind kind, struct strv *ret)
{
	size_t total = 0, active = 0;
	int64_t size = 0, freed = 0;

	for (size_t i = 0; i < u->count; i++) {
		const struct usage_item *item = &u->items[i];
		if (item->kind != kind)
			continue;
		total++;
		active += item->used_by.count > 0;
		size += item->size;
		freed += usage_is_free(item) ? item->freed : 0;
	}
	cleanup_free char *size_text = usage_size(size);
	cleanup_free char *freed_text = usage_size(freed);
	cleanup_free char *percent = size ? xasprintf(" (%" PRId64 "%%)", freed * 100 / size) : xstrdup("");
	strv_pushf(ret, "%s\t%zu\t%zu\t%s\t%s%s", kind_names[kind], total, active, size_text, freed_text, percent);
}

static void add_each(const struct usage *u, struct strv *ret)
{
	for (size_t i = 0; i < u->count; i++) {
		const struct usage_item *item = &u->items[i];
		cleanup_free char *name = usage_name(item);
		cleanup_free char *size = usage_size(item->size);
		cleanup_buf struct buf users = BUF_INIT;
		for (size_t k = 0; k < item->used_by.count && item->kind != USAGE_MACHINES; k++)
			buf_printf(&users, "%s%s", k ? ", " : "", item->used_by.items[k]);
		strv_pushf(ret, "%s\t%s\t%s\t%s", kind_names[item->kind], name, size, buf_str(&users));
	}
}

static void print_df(const struct usage *u, bool verbose)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;

	strv_push(&lines, verbose ? "TYPE\tNAME\tSIZE\tMACHINES" : "TYPE\tTOTAL\tACTIVE\tSIZE\tRECLAIMABLE");
	for (enum usage_kind kind = 0; kind < USAGE_KINDS && !verbose; kind++)
		add_total(u, kind, &lines);
	if (verbose)
		add_each(u, &lines);
	table_layout(&lines, &text);
	fputs(buf_str(&text), stdout);
}

// --- prune ---

static bool is_wanted(const struct usage_item *item, bool all)
{
	return usage_is_free(item) && (all || !item->only_all);
}

static bool confirm(const struct usage *u, bool all)
{
	printf("WARNING! This will remove what no machine uses:\n");
	for (size_t i = 0; i < u->count; i++) {
		const struct usage_item *item = &u->items[i];
		cleanup_free char *size = usage_size(item->freed);
		if (is_wanted(item, all))
			printf("  - %s: %s (%s)\n", kind_names[item->kind], item->paths.items[0], size);
	}
	return prompt_yes("Are you sure you want to continue? [y/N] ");
}

static int prune(const struct context *ctx, const struct usage *u, const struct options *options, struct error *err)
{
	int64_t freed = 0;
	size_t wanted = 0;
	int r = 0;

	for (size_t i = 0; i < u->count; i++)
		wanted += is_wanted(&u->items[i], options->all);
	if (wanted && !options->force && !confirm(u, options->all))
		return 0;
	for (size_t i = 0; i < u->count && r >= 0; i++) {
		const struct usage_item *item = &u->items[i];
		if (!is_wanted(item, options->all))
			continue;
		r = usage_remove(ctx, item, err);
		if (r > 0)
			printf("Deleted: %s\n", item->paths.items[0]);
		freed += r > 0 ? item->freed : 0;
	}
	cleanup_free char *size = usage_size(freed);
	printf("Total reclaimed space: %s\n", size);
	return r < 0 ? r : 0;
}

static int check(const struct context *ctx, const struct strv *operands, const struct options *o, struct error *err)
{
	const char *verb = operands->count == 1 ? operands->items[0] : "";

	if (strcmp(verb, "df") == 0 && !o->all && !o->force)
		return 0;
	if (strcmp(verb, "prune") == 0 && !o->verbose)
		return 0;
	return error_say(err, EINVAL,
			 "Error: Expected \"%s system df [--verbose]\" or \"%s system prune [--all] [--force]\"",
			 ctx->program, ctx->program);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_usage struct usage u = { .items = NULL };
	int r = check(ctx, operands, options, err);

	if (r == 0)
		r = usage_collect(ctx, &u, err);
	if (r < 0)
		return r;
	if (strcmp(operands->items[0], "prune") == 0)
		return prune(ctx, &u, options, err);
	print_df(&u, options->verbose);
	return 0;
}

const struct command command_system = {
	.name = "system",
	.arguments = "df|prune",
	.summary = "Show what machines and caches take on this host's disk, or remove what no machine uses",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
