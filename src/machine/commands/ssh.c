// SPDX-License-Identifier: Apache-2.0
// `ssh`: a shell or a command on a machine, through the system's ssh with the machine's key.
#include "commands.h"

#include "../each.h"
#include "../remote.h"
#include "../run.h"
#include "lib/proc.h"

#include <errno.h>
#include <signal.h>

static void build(const struct machine *m, const struct strv *operands, size_t first, struct strv *argv)
{
	remote_command(m, argv);
	for (size_t i = first; i < operands->count; i++)
		strv_push(argv, operands->items[i]);
}

// The older tool's `ssh` has the command at once, for its one machine: so where the first word is no machine's name.
static bool names_machine(const struct context *ctx, const struct strv *operands)
{
	if (!operands->count)
		return false;
	const char *meant = ctx->vm ? ctx->vm : "default";
	return !context_is_boot2docker(ctx) || machine_exists(ctx, operands->items[0]) || !machine_exists(ctx, meant);
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_strv struct strv name = STRV_INIT;
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *program = NULL;

	(void)options;
	bool named = names_machine(ctx, operands);
	if (named)
		strv_push(&name, operands->items[0]);
	int r = machine_named(ctx, &name, &m, err);
	if (r == 0)
		r = remote_require_running(m, err);
	if (r == 0)
		r = proc_find("ssh", &program, err);
	if (r < 0)
		return r;
	build(m, operands, named ? 1 : 0, &argv);
	run_log((const char *const *)strv_argv(&argv));
	fflush(NULL);
	// ssh takes our place: its terminal, its signals and its exit status are what the user gets.
	signal(SIGPIPE, SIG_DFL);
	execv(program, strv_argv(&argv));
	return error_set(err, errno, "run %s", program);
}

const struct command command_ssh = {
	.name = "ssh",
	.arguments = "[NAME] [ARG...]",
	.summary = "Log into or run a command on a machine with SSH",
	.raw = true,
	.run = run,
};
