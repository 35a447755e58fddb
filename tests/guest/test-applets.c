// SPDX-License-Identifier: Apache-2.0
// The commands beside PID 1: what each asks PID 1 for. The control socket's path is fixed, so they run with a /run of the test's.
#include "../unit/test.h"

#include "applets.h"
#include "control.h"
#include "lib/proc.h"
#include "root-folder.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define ANSWER_MS 5000

struct row {
	const char *words[5];
	const char *request; // NULL: none, and the command fails
	const char *output; // a part of it
};

static const struct row rows[] = {
	{ { "poweroff" }, "poweroff", "" },
	{ { "/usr/sbin/halt" }, "poweroff", "" }, // a halted machine would go on as a process of its host
	{ { "reboot" }, "reboot", "" },
	{ { "shutdown", "-h", "now" }, "poweroff 0", "" },
	{ { "shutdown", "-P", "now" }, "poweroff 0", "" },
	{ { "shutdown", "-r", "now" }, "reboot 0", "" },
	{ { "shutdown", "-H", "now" }, "halt 0", "" },
	{ { "shutdown", "-h", "+5" }, "poweroff 300", "poweroff in 5 min; shutdown -c forgets it" },
	{ { "shutdown", "-r", "+1", "back soon" }, "reboot 60", "reboot in 1 min" },
	{ { "shutdown", "-h", "5" }, "poweroff 300", "poweroff in 5 min" },
	{ { "shutdown" }, "poweroff 60", "poweroff in 1 min" },
	{ { "shutdown", "-c" }, "cancel", "" },
	{ { "shutdown", "-h", "+99999999" }, NULL, "usage: shutdown" },
	{ { "shutdown", "-x" }, NULL, "usage: shutdown" },
	{ { "shutdown", "-h", "tomorrow" }, NULL, "usage: shutdown" },
	{ { "poweroff", "now" }, NULL, "usage: poweroff [-f]" },
};

static void enter_namespaces(void)
{
	cleanup_free char *run = path_join(root, "run");
	cleanup_free char *uids = xasprintf("0 %u 1", getuid());

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(91);
	if (file_write_existing("/proc/self/uid_map", uids, &err) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(run, "/run", NULL, MS_BIND, NULL) < 0)
		_exit(92);
}

// The child: the command, with its output in ROOT/output.
static _Noreturn void run_command(const struct row *row)
{
	cleanup_free char *path = path_join(root, "output");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), argc = 0;
	char *argv[5] = { NULL };

	for (; argc < 5 && row->words[argc]; argc++)
		argv[argc] = xstrdup(row->words[argc]);
	dup2(fd, 1);
	dup2(fd, 2);
	argc = applets_run(argc, argv);
	fflush(NULL);
	_exit(argc);
}

// PID 1's end of it: true when a request came, which is answered.
static bool take_request(int listener, pid_t command, char *request)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };
	siginfo_t ended = { .si_pid = 0 };
	bool is_root;
	cleanup_close int client = -1;

	for (int waited = 0; waited < ANSWER_MS; waited += 10) {
		if (poll(&wait, 1, 10) > 0 && control_accept(listener, request, &is_root, &client)) {
			control_answer(client, "ok");
			return true;
		}
		if (waitid(P_PID, (id_t)command, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == command)
			return false;
	}
	return false;
}

static void check_row(const struct row *row, int listener)
{
	cleanup_free char *line = xasprintf("%s %s", row->words[0], row->words[1] ? row->words[1] : "");
	char request[CONTROL_MAX] = "";
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_command(row);
	bool asked = take_request(listener, pid, request);
	cleanup_buf struct buf output = BUF_INIT;
	cleanup_free char *path = path_join(root, "output");

	waitpid(pid, &status, 0);
	(void)!file_read(path, 4096, &output, NULL);
	if (asked != (row->request != NULL) || (asked && strcmp(request, row->request) != 0))
		fail_msg("%s: PID 1 is asked for \"%s\"", line, request);
	if (!strstr(buf_str(&output), row->output))
		fail_msg("%s prints %s", line, buf_str(&output));
	if (status != (asked ? 0 : 1 << 8))
		fail_msg("%s: wait status %x", line, (unsigned int)status);
}

static void each_row(void **state)
{
	cleanup_free char *folder = path_join(root, "run/boot2docker");
	int status;
	pid_t pid;

	(void)state;
	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int listener;

		setenv("CMOCKA_TEST_ABORT", "1",
		       1); // a failure ends this process, rather than going on with the next test
		enter_namespaces();
		assert_ok(control_listen(CONTROL_SOCKET, &listener, &err), &err);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			check_row(&rows[i], listener);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 91) {
		print_message("namespaces cannot be made here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "the power commands ask PID 1 for what they are called with", each_row, make_root, remove_root,
		  NULL },
	};

	return cmocka_run_group_tests_name("guest applets", tests, NULL, NULL);
}
