// SPDX-License-Identifier: Apache-2.0
// `rm`: removes machines, the whole ones and the damaged.
#include "commands.h"

#include "../docker-context.h"
#include "../driver.h"
#include "../each.h"
#include "../prompt.h"
#include "../store.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

#define LEFTOVERS_WAIT_MS 5000

struct options {
	bool force, yes;
};

static const struct option_row rows[] = {
	{ "force", 'f', OPTION_BOOL, offsetof(struct options, force),
	  .help = "Remove local configuration even if machine cannot be removed, also implies an automatic yes "
		  "(`-y`)" },
	{ "yes", 'y', OPTION_BOOL, offsetof(struct options, yes),
	  .help = "Assumes automatic yes to proceed with remove, without prompting further user confirmation" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static bool confirm(const struct strv *names)
{
	fputs("About to remove ", stdout);
	for (size_t i = 0; i < names->count; i++)
		printf("%s%s", i ? ", " : "", names->items[i]);
	return prompt_yes("\nWARNING: This action will delete both local reference and remote instance.\n"
			  "Are you sure? (y/n): ");
}

// A machine whose config.json is damaged belongs to some driver: each ends what it may have left running in the folder.
static int kill_by_any_driver(const struct context *ctx, const char *name, struct error *err)
{
	cleanup_machine struct machine *m = machine_new(ctx, name);
	int r = 0;

	for (const struct driver *const *d = drivers; *d && r == 0; d++) {
		m->driver = *d;
		r = machine_end(m, err);
	}
	return r;
}

static int end_machine(const struct context *ctx, const char *name, bool force, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	struct error why = ERROR_INIT;

	int r = machine_load(ctx, name, &m, &why);
	if (r == 0)
		r = machine_require_driver(m, &why);
	if (r == 0)
		return machine_end(m, err);
	if (force && machine_exists(ctx, name))
		return kill_by_any_driver(ctx, name, err);
	*err = why;
	return r;
}

// A program that a killed create had started may be writing still, for it notices a little later that it shall end.
static int remove_folder(const char *dir, struct error *err)
{
	int64_t deadline = clock_ms() + LEFTOVERS_WAIT_MS;
	int r = file_remove_tree(dir, err);

	while (r == -ENOTEMPTY && clock_ms() < deadline) {
		clock_sleep_ms(20);
		r = file_remove_tree(dir, err);
	}
	return r;
}

static int remove_one(const struct context *ctx, const char *name, bool force, struct error *err)
{
	cleanup_close int lock = -1;

	if (!machine_exists(ctx, name)) {
		cleanup_machine struct machine *none = NULL;
		return machine_load(ctx, name, &none, err);
	}
	cleanup_machine struct machine *m = machine_new(ctx, name);
	int r = machine_lock(ctx, name, &lock, err);
	if (r == 0)
		r = end_machine(ctx, name, force, err);
	if (r == 0)
		r = docker_context_remove(m, err);
	if (r == 0)
		r = remove_folder(m->dir, err);
	if (r == 0)
		log_info("Successfully removed %s", name);
	return r < 0 ? error_wrap(err, "Error removing host \"%s\"", name) : 0;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_strv struct strv names = STRV_INIT;
	int result = 0;

	// The older tool's verbs mean its one machine.
	bool is_older = strcmp(ctx->operands.items[0], "destroy") == 0 ||
			(context_is_boot2docker(ctx) && strcmp(ctx->operands.items[0], "delete") == 0);
	if (!operands->count && !is_older && !ctx->vm)
		return error_say(err, EINVAL, "Error: Expected to get one or more machine names as arguments");
	int named = machines_named(ctx, operands, &names, err);
	if (named < 0)
		return named;
	if (!options->force && !options->yes && !confirm(&names))
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		if (result < 0)
			fprintf(stderr, "%s\n", err->msg);
		int r = remove_one(ctx, names.items[i], options->force, err);
		result = r < 0 ? r : result;
	}
	return result;
}

const struct command command_rm = {
	.name = "rm",
	.aliases = { "delete", "destroy" },
	.arguments = "NAME...",
	.summary = "Remove a machine",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
