// SPDX-License-Identifier: Apache-2.0
// `ssh`: a shell or a command on a machine, through the system's ssh with the machine's key.
#include "commands.h"

#include "../driver.h"
#include "../each.h"
#include "../remote.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void build(const struct machine *m, const struct strv *operands, struct strv *argv)
{
	remote_command(m, argv);
	for (size_t i = 1; i < operands->count; i++)
		strv_push(argv, operands->items[i]);
}

static int require_running(struct machine *m, struct error *err)
{
	enum machine_state state;
	int r = machine_get_state(m, &state, err);

	if (r == 0 && state != STATE_RUNNING)
		r = error_say(err, ESHUTDOWN, "Error: Cannot run SSH command: Host \"%s\" is not running", m->name);
	return r;
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_strv struct strv name = STRV_INIT;
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *program = NULL;

	(void)options;
	if (operands->count)
		strv_push(&name, operands->items[0]);
	int r = machine_named(ctx, &name, &m, err);
	if (r == 0)
		r = require_running(m, err);
	if (r == 0)
		r = proc_find("ssh", &program, err);
	if (r < 0)
		return r;
	build(m, operands, &argv);
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
