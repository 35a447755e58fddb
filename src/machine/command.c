// SPDX-License-Identifier: Apache-2.0
// Finding a command, reading its flags, running it; see command.h.
#include "command.h"

#include "lib/alloc.h"
#include "lib/version.h"
#include "older-profile.h"

#include <errno.h>
#include <string.h>

static bool has_name(const struct command *c, const char *name)
{
	if (strcmp(c->name, name) == 0)
		return true;
	for (const char *const *alias = c->aliases; *alias; alias++)
		if (strcmp(*alias, name) == 0)
			return true;
	return false;
}

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (has_name(*c, name))
			return *c;
	return NULL;
}

void command_add_aliases(const struct command *c, const char *before, struct buf *ret)
{
	for (size_t i = 0; c->aliases[i]; i++)
		buf_printf(ret, "%s%s", i ? ", " : before, c->aliases[i]);
}

void command_help(const struct context *ctx, const struct command *command)
{
	cleanup_buf struct buf options = BUF_INIT;
	cleanup_buf struct buf aliases = BUF_INIT;

	if (command->options)
		option_help(command->options, &options);
	printf("Usage: %s %s%s%s%s\n\n%s\n", ctx->program, command->name, options.len ? " [OPTIONS]" : "",
	       *command->arguments ? " " : "", command->arguments, command->summary);
	command_add_aliases(command, "\nAlso: ", &aliases);
	if (aliases.len)
		printf("%s\n", buf_str(&aliases));
	if (options.len)
		printf("\nOptions:\n\n%s", options.data);
}

void command_list(const struct context *ctx)
{
	static const struct option_row *const tables[] = { context_options, NULL };
	cleanup_buf struct buf options = BUF_INIT;

	option_help(tables, &options);
	printf("Usage: %s [OPTIONS] COMMAND [arg...]\n\nCreate and manage machines running Docker.\n\nVersion: "
	       "%s\n\nOptions:\n\n%s\n"
	       "Commands:\n\n",
	       ctx->program, B2D_VERSION, options.data);
	for (const struct command *const *c = commands; *c; c++) {
		cleanup_buf struct buf aliases = BUF_INIT;
		command_add_aliases(*c, " (also: ", &aliases);
		if ((*c)->run && !(*c)->hidden)
			printf("   %-18s %s%s%s\n", (*c)->name, (*c)->summary, buf_str(&aliases),
			       aliases.len ? ")" : "");
	}
	printf("\nRun '%s COMMAND --help' for more information on a command.\n", ctx->program);
}

// Is --help among the words, before what the command would pass on?
static bool wants_help(const struct command *command, const struct strv *words)
{
	for (size_t i = 1; i < words->count; i++) {
		const char *word = words->items[i];
		if (strcmp(word, "--help") == 0 || strcmp(word, "-help") == 0 || strcmp(word, "-h") == 0)
			return true;
		if (command->raw || strcmp(word, "--") == 0)
			return false;
	}
	return false;
}

static int run_raw(const struct context *ctx, const struct command *command, struct error *err)
{
	cleanup_strv struct strv operands = STRV_INIT;

	for (size_t i = 1; i < ctx->operands.count; i++)
		strv_push(&operands, ctx->operands.items[i]);
	return command->run(ctx, NULL, &operands, err);
}

// The verb, the profile's flags where they count, --vm, and the words given.
static int collect_words(const struct context *ctx, const struct command *command, struct strv *ret, struct error *err)
{
	int r = 0;

	strv_push(ret, ctx->operands.items[0]);
	if (command->takes_profile)
		r = older_profile_read(ret, err);
	if (command->takes_profile && ctx->vm)
		strv_pushf(ret, "--vm=%s", ctx->vm);
	for (size_t i = 1; i < ctx->operands.count; i++)
		strv_push(ret, ctx->operands.items[i]);
	return r;
}

static int run_with_options(const struct context *ctx, const struct command *command, struct error *err)
{
	static const struct option_row *const none[] = { NULL };
	const struct option_row *const *tables = command->options ? command->options : none;
	cleanup_strv struct strv operands = STRV_INIT;
	struct option_parse how = { .operands = &operands };
	cleanup_free void *options = xcalloc(1, command->options_size ? command->options_size : 1);
	cleanup_strv struct strv argv = STRV_INIT;

	int r = collect_words(ctx, command, &argv, err);
	if (r == 0)
		r = option_parse(tables, options, (int)argv.count, argv.items, &how, err);
	if (r == 0)
		r = command->run(ctx, options, &operands, err);
	option_done(tables, options);
	return r;
}

static int run_command(const struct context *ctx, struct error *err)
{
	const char *name = ctx->operands.items[0];
	const struct command *command = command_find(name);

	if (!command)
		return error_say(err, EINVAL, "%s: '%s' is not a command. See '%s --help'.", ctx->program, name,
				 ctx->program);
	if (!command->run)
		return error_say(err, ENOSYS, "%s: '%s' is not there yet in this version. See '%s --help'.",
				 ctx->program, name, ctx->program);
	if (wants_help(command, &ctx->operands)) {
		command_help(ctx, command);
		return 0;
	}
	return command->raw ? run_raw(ctx, command, err) : run_with_options(ctx, command, err);
}

int command_call(const struct context *ctx, const struct strv *words, struct error *err)
{
	struct context inner = *ctx;

	inner.operands = *words;
	return run_command(&inner, err);
}

// Moves a --vm behind the verb to the context, unless the words are another program's.
static void take_vm(struct context *ctx)
{
	const struct command *command = command_find(ctx->operands.items[0]);
	struct strv kept = STRV_INIT;
	bool ended = !command || command->raw;

	strv_push(&kept, ctx->operands.items[0]);
	for (size_t i = 1; i < ctx->operands.count; i++) {
		const char *word = ctx->operands.items[i];
		const char *flag = word + (word[0] == '-' && word[1] == '-');
		const char *value = NULL;
		ended |= strcmp(word, "--") == 0;
		if (!ended && strncmp(flag, "-vm=", 4) == 0)
			value = flag + 4;
		else if (!ended && strcmp(flag, "-vm") == 0 && i + 1 < ctx->operands.count)
			value = ctx->operands.items[++i];
		if (!value) {
			strv_push(&kept, word);
			continue;
		}
		free(ctx->vm);
		ctx->vm = xstrdup(value);
	}
	strv_done(&ctx->operands);
	ctx->operands = kept;
}

int command_dispatch(struct context *ctx)
{
	struct error err = ERROR_INIT;

	take_vm(ctx);
	int status = run_command(ctx, &err);

	if (status >= 0)
		return status;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
