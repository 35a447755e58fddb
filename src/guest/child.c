// SPDX-License-Identifier: Apache-2.0
// Children of PID 1.
#include "child.h"

#include "lib/alloc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

pid_t child_fork(struct error *err)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		return error_set(err, errno, "fork");
	if (pid > 0)
		return pid;
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

char *child_status_text(int wait_status)
{
	if (WIFSIGNALED(wait_status)) {
		const char *name = sigabbrev_np(WTERMSIG(wait_status));

		return xasprintf("killed by SIG%s", name ? name : "?");
	}
	return xasprintf("exit status %d", WEXITSTATUS(wait_status));
}
