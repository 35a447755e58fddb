// SPDX-License-Identifier: Apache-2.0
// boot2docker, also called docker-machine: makes and manages machines that run Docker.
#include "command.h"
#include "lib/log.h"
#include "lib/version.h"
#include "overview.h"

#include <signal.h>
#include <string.h>

// As Docker Machine: what is going on to stdout, what went wrong to stderr.
static void sink(enum log_level level, const char *line, void *arg)
{
	if (level == LOG_LEVEL_INFO)
		printf("%s\n", line);
	else
		log_sink_stderr(level, line, arg);
}

int main(int argc, char **argv)
{
	struct context ctx = { 0 };
	struct error err = ERROR_INIT;
	int status = 0;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_sink(sink, NULL);
	if (context_init(&ctx, argc, argv, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		status = 1;
	} else if (ctx.version) {
		printf("%s version %s\n", ctx.program, B2D_VERSION);
	} else if (ctx.help || (!ctx.operands.count && !context_is_boot2docker(&ctx))) {
		command_list(&ctx);
	} else if (!ctx.operands.count) {
		status = overview_print(&ctx, &err) < 0;
		if (status)
			fprintf(stderr, "%s\n", err.msg);
	} else {
		status = command_dispatch(&ctx);
	}
	context_done(&ctx);
	return status;
}
