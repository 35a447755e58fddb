// SPDX-License-Identifier: Apache-2.0
// Running the host's programs; see run.h.
#include "run.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t interrupted; // the signal's number; signal handlers have nowhere else to put it

static void on_signal(int sig)
{
	interrupted = sig;
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int interrupt_check(struct error *err)
{
	return interrupted ? error_say(err, EINTR, "interrupted (%s)", strsignal(interrupted)) : 0;
}

void run_quote(struct buf *line, const char *word)
{
	if (*word && !strpbrk(word, " \t\n'\"\\$`*?[]()<>|&;#~!{}")) {
		buf_puts(line, word);
		return;
	}
	buf_putc(line, '\'');
	for (; *word; word++)
		if (*word == '\'')
			buf_puts(line, "'\\''");
		else
			buf_putc(line, *word);
	buf_putc(line, '\'');
}

void run_log(const char *const *argv)
{
	cleanup_buf struct buf line = BUF_INIT;

	for (; *argv; argv++) {
		buf_puts(&line, line.len ? " " : "");
		run_quote(&line, *argv);
	}
	log_debug("run: %s", buf_str(&line));
}

int run_check(const char *const *argv, int timeout_ms, struct error *err)
{
	return run_output(argv, timeout_ms, NULL, err);
}

int run_output(const char *const *argv, int timeout_ms, struct buf *ret, struct error *err)
{
	// A process group of its own: Ctrl-C is ours to handle, not half of it the program's.
	struct proc_spec spec = { .argv = argv,
				  .out = ret ? PROC_CAPTURE : PROC_NULL,
				  .out_buf = ret,
				  .timeout_ms = timeout_ms,
				  .own_group = true };

	run_log(argv);
	return proc_check(&spec, err);
}

int run_for_user(const struct strv *argv, struct error *err)
{
	struct proc_spec spec = { .argv = (const char *const *)strv_argv(argv),
				  .in = PROC_INHERIT,
				  .out = PROC_INHERIT,
				  .errs = PROC_INHERIT,
				  .timeout_ms = -1 };

	run_log(spec.argv);
	fflush(NULL);
	return proc_run(&spec, err);
}

int run_require(const char *program, const char *hint, struct error *err)
{
	cleanup_free char *path = NULL;
	int r = proc_find(program, &path, err);

	return r < 0 ? error_say(err, ENOENT, "%s is not installed; %s", program, hint) : 0;
}
