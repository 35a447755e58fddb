// SPDX-License-Identifier: Apache-2.0
// Running other programs; see proc.h.
//
// Theory of operation. The child reports a failed exec through a close-on-exec pipe: the parent reads end-of-file when exec
// worked, or an errno. Then one poll loop serves all of the child's pipes and its pidfd at once, so neither side can block the
// other. The loop ends when the child has ended: what a grandchild might still write to an inherited pipe is not waited for,
// only what is already in the pipe is read. At the deadline the child (or its group) gets SIGKILL and is reaped.
//
// PR_SET_PDEATHSIG reaches the child alone. A group that shall not outlive us has a guard in it: a process that reads from a pipe
// whose other end only we have. A byte tells it that all is over; end-of-file that we are gone, whatever ended us, and it kills
// the group. It is nobody's child (its parent ends at once), lest the program finds a child that it knows nothing of.
#include "proc.h"

#include "alloc.h"
#include "clock.h"
#include "file.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { DEFAULT_TIMEOUT_MS = 10 * 60 * 1000, DEFAULT_CAPTURE_MAX = 16 << 20, OUTPUT_TIMEOUT_MS = 60 * 1000 };

enum { CHILD_END, PARENT_END };

struct child {
	pid_t pid;
	int pidfd;
	int pipes[3][2]; // [fd][CHILD_END or PARENT_END], -1 where there is none
	size_t written; // of the input
	int life[2]; // the pipe that the group's guard watches, -1 where there is none
};

#define CHILD_INIT                                                                               \
	{                                                                                        \
		.pidfd = -1, .pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, .life = { -1, -1 } \
	}

int proc_find(const char *program, char **ret_path, struct error *err)
{
	const char *path = getenv("PATH");

	if (strchr(program, '/')) {
		if (access(program, X_OK) < 0)
			return error_set(err, errno, "run %s", program);
		*ret_path = xstrdup(program);
		return 0;
	}
	cleanup_free char *all = xasprintf("%s:/usr/sbin:/sbin", path ? path : "/usr/local/bin:/usr/bin:/bin");
	char *save = NULL;
	for (char *dir = strtok_r(all, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		cleanup_free char *candidate = path_join(dir, program);
		struct stat st;
		if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode) && access(candidate, X_OK) == 0) {
			*ret_path = take_ptr(candidate);
			return 0;
		}
	}
	return error_say(err, ENOENT, "the program %s is not installed (looked for on PATH)", program);
}

static void close_pipes(struct child *c, int end)
{
	for (int i = 0; i < 3; i++)
		if (c->pipes[i][end] >= 0)
			close(take_fd(&c->pipes[i][end]));
}

static void child_done(struct child *c)
{
	close_pipes(c, CHILD_END);
	close_pipes(c, PARENT_END);
	if (c->pidfd >= 0)
		close(take_fd(&c->pidfd));
	for (int i = 0; i < 2; i++)
		if (c->life[i] >= 0)
			close(take_fd(&c->life[i]));
}

static bool needs_guard(const struct proc_spec *spec)
{
	return spec->own_group && spec->die_with_parent;
}

static bool needs_pipe(enum proc_stdio kind)
{
	return kind == PROC_CAPTURE || kind == PROC_DATA;
}

static int open_pipes(const struct proc_spec *spec, struct child *c, struct error *err)
{
	const enum proc_stdio kinds[3] = { spec->in, spec->out, spec->errs };

	for (int i = 0; i < 3; i++) {
		int ends[2];
		if (!needs_pipe(kinds[i]))
			continue;
		if (pipe2(ends, O_CLOEXEC) < 0)
			return error_set(err, errno, "make a pipe for %s", spec->argv[0]);
		c->pipes[i][CHILD_END] = ends[i == 0 ? 0 : 1];
		c->pipes[i][PARENT_END] = ends[i == 0 ? 1 : 0];
		fcntl(c->pipes[i][PARENT_END], F_SETFL, O_NONBLOCK);
	}
	if (needs_guard(spec) && pipe2(c->life, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe for %s", spec->argv[0]);
	return 0;
}

// Signals as a fresh program expects them, whatever the parent blocked or ignored.
static void reset_signals(void)
{
	sigset_t none;

	// By the system call: glibc keeps signals 32 and 33 to itself, and whoever started us may have had them ignored.
	static const char default_action[64] = { 0 }; // the kernel's struct sigaction, SIG_DFL is 0

	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, default_action, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

// The fd that shall become the child's fd `i`; -1 on failure. All are moved above 2 first, so that none overwrites another.
static int stdio_source(const struct proc_spec *spec, const struct child *c, int i)
{
	const enum proc_stdio kinds[3] = { spec->in, spec->out, spec->errs };
	const int given[3] = { spec->in_fd, spec->out_fd, spec->err_fd };
	int fd = i;

	if (needs_pipe(kinds[i]))
		fd = c->pipes[i][CHILD_END];
	else if (kinds[i] == PROC_FD)
		fd = given[i];
	else if (kinds[i] == PROC_NULL)
		fd = open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	// An inherited fd may be closed: then the program gets it closed, too.
	if (fd < 0 || (kinds[i] == PROC_INHERIT && fcntl(fd, F_GETFD) < 0))
		return kinds[i] == PROC_INHERIT ? i : -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int set_stdio(const struct proc_spec *spec, const struct child *c)
{
	int sources[3];

	for (int i = 0; i < 3; i++) {
		sources[i] = stdio_source(spec, c, i);
		if (sources[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (sources[i] != i && dup2(sources[i], i) < 0)
			return -errno;
	return 0;
}

// The guard: waits until it is told that all is over, or until `life` hangs up. It keeps no other descriptor open.
static _Noreturn void guard_group(int life)
{
	ssize_t n;
	char over;

	if (dup2(life, 0) < 0 || close_range(1, ~0U, 0) < 0)
		_exit(1);
	while ((n = read(0, &over, 1)) < 0 && errno == EINTR)
		;
	if (n == 0)
		kill(0, SIGKILL);
	_exit(0);
}

// In the child: starts the guard of its group.
static int start_guard(int life)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			guard_group(life);
		_exit(0);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

// In the child, until exec. Returns only on failure, with -errno.
static int become(const struct proc_spec *spec, const struct child *c, const char *path, pid_t parent)
{
	reset_signals();
	if (spec->own_group)
		setpgid(0, 0);
	if (spec->own_session)
		setsid();
	if (needs_guard(spec)) {
		int r = start_guard(c->life[CHILD_END]);

		if (r < 0)
			return r;
	}
	if (spec->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	int r = set_stdio(spec, c);
	if (r < 0)
		return r;
	if (spec->cwd && chdir(spec->cwd) < 0)
		return -errno;
	if (spec->child_setup)
		spec->child_setup(spec->child_arg);
	execve(path, (char *const *)spec->argv, spec->env ? (char *const *)spec->env : environ);
	return -errno;
}

// Forks and waits for the exec to have worked.
static int start(const struct proc_spec *spec, struct child *c, struct error *err)
{
	cleanup_free char *path = NULL;
	int report[2];
	int r = proc_find(spec->argv[0], &path, err);

	if (r < 0)
		return r;
	if (pipe2(report, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe for %s", spec->argv[0]);
	pid_t parent = getpid();
	c->pid = fork();
	if (c->pid == 0) {
		r = become(spec, c, path, parent);
		if (write(report[1], &r, sizeof(r)) < 0)
			_exit(126);
		_exit(127);
	}
	close(report[1]);
	int failure = 0;
	if (c->pid < 0) {
		failure = -errno;
	} else {
		ssize_t n;
		while ((n = read(report[0], &failure, sizeof(failure))) < 0 && errno == EINTR)
			;
		if (n == (ssize_t)sizeof(failure))
			while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
				;
	}
	close(report[0]);
	return failure ? error_set(err, failure, "run %s", path) : 0;
}

static void read_output(int *fd, struct buf *into, size_t max)
{
	char chunk[16384];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(take_fd(fd));
		return;
	}
	if (into && into->len < max)
		buf_add(into, chunk, (size_t)n < max - into->len ? (size_t)n : max - into->len);
}

static void write_input(int *fd, const struct proc_spec *spec, size_t *written)
{
	size_t left = spec->input_len - *written;
	ssize_t n = left ? write(*fd, (const char *)spec->input + *written, left) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		*written += (size_t)n;
	// All is written, or the program does not want more (EPIPE): both end its input.
	if (n < 0 || *written == spec->input_len)
		close(take_fd(fd));
}

static void serve_pipes(const struct proc_spec *spec, struct child *c, const struct pollfd *fds)
{
	size_t max = spec->capture_max ? spec->capture_max : DEFAULT_CAPTURE_MAX;

	if (fds[0].revents && c->pipes[0][PARENT_END] >= 0)
		write_input(&c->pipes[0][PARENT_END], spec, &c->written);
	if (fds[1].revents && c->pipes[1][PARENT_END] >= 0)
		read_output(&c->pipes[1][PARENT_END], spec->out_buf, max);
	if (fds[2].revents && c->pipes[2][PARENT_END] >= 0)
		read_output(&c->pipes[2][PARENT_END], spec->err_buf, max);
}

// Polls the pipes, and the end of the child when its pidfd is given. Returns 1 when the child has ended, 0 otherwise.
static int poll_once(const struct proc_spec *spec, struct child *c, int wait_ms)
{
	struct pollfd fds[4] = { { .fd = c->pipes[0][PARENT_END], .events = POLLOUT },
				 { .fd = c->pipes[1][PARENT_END], .events = POLLIN },
				 { .fd = c->pipes[2][PARENT_END], .events = POLLIN },
				 { .fd = c->pidfd, .events = POLLIN } };

	if (poll(fds, ARRAY_SIZE(fds), wait_ms) <= 0)
		return 0;
	serve_pipes(spec, c, fds);
	return fds[3].revents != 0;
}

// What is in the pipes when the child has ended.
static void drain(const struct proc_spec *spec, struct child *c)
{
	for (int i = 1; i < 3; i++) {
		struct pollfd one = { .fd = c->pipes[i][PARENT_END], .events = POLLIN };
		while (one.fd >= 0 && poll(&one, 1, 0) > 0) {
			read_output(&c->pipes[i][PARENT_END], i == 1 ? spec->out_buf : spec->err_buf,
				    spec->capture_max ? spec->capture_max : DEFAULT_CAPTURE_MAX);
			one.fd = c->pipes[i][PARENT_END];
		}
	}
}

static int exit_result(int status, const char *name, struct error *err)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return error_say(err, ECHILD, "%s was ended by signal %d (%s)", name, WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
}

static int reap(pid_t pid, const char *name, struct error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_set(err, errno, "wait for %s", name);
	return exit_result(status, name, err);
}

// Serves the child until it ends or the deadline comes.
static int serve(const struct proc_spec *spec, struct child *c, struct error *err)
{
	int timeout_ms = spec->timeout_ms ? spec->timeout_ms : DEFAULT_TIMEOUT_MS;
	int64_t deadline = clock_ms() + timeout_ms;

	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd < 0) {
		int r = error_set(err, errno, "watch %s", spec->argv[0]);
		kill(c->pid, SIGKILL);
		reap(c->pid, spec->argv[0], NULL);
		return r;
	}
	for (;;) {
		int64_t left = timeout_ms < 0 ? -1 : deadline - clock_ms();
		if (timeout_ms >= 0 && left <= 0)
			break;
		if (poll_once(spec, c, (int)left)) {
			drain(spec, c);
			return reap(c->pid, spec->argv[0], err);
		}
	}
	kill(spec->own_group ? -c->pid : c->pid, SIGKILL);
	reap(c->pid, spec->argv[0], NULL);
	return error_say(err, ETIMEDOUT, "%s did not end within %d s and was killed", spec->argv[0], timeout_ms / 1000);
}

int proc_run(const struct proc_spec *spec, struct error *err)
{
	struct child c = CHILD_INIT;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int r = open_pipes(spec, &c, err);

	if (r == 0)
		r = start(spec, &c, err);
	close_pipes(&c, CHILD_END);
	if (r == 0) {
		// A program that does not read its input must not end us.
		sigaction(SIGPIPE, &ignore, &before);
		r = serve(spec, &c, err);
		if (needs_guard(spec))
			(void)!write(c.life[PARENT_END], "", 1);
		sigaction(SIGPIPE, &before, NULL);
	}
	child_done(&c);
	return r;
}

// The last line of a program's error output, which most often says why it failed.
static const char *last_line(struct buf *text)
{
	buf_trim_end(text);
	const char *newline = strrchr(buf_str(text), '\n');
	return newline ? newline + 1 : buf_str(text);
}

int proc_check(const struct proc_spec *spec, struct error *err)
{
	cleanup_buf struct buf errs = BUF_INIT;
	struct proc_spec checked = *spec;

	if (checked.errs == PROC_NULL)
		checked.errs = PROC_CAPTURE;
	if (checked.errs == PROC_CAPTURE && !checked.err_buf)
		checked.err_buf = &errs;
	int status = proc_run(&checked, err);
	if (status <= 0)
		return status;
	const char *why = checked.errs == PROC_CAPTURE ? last_line(checked.err_buf) : "";
	return error_say(err, EPROTO, "%s failed with exit status %d%s%s", spec->argv[0], status, *why ? ": " : "",
			 why);
}

int proc_output(const char *const *argv, struct buf *ret_out, struct error *err)
{
	struct proc_spec spec = { .argv = argv, .timeout_ms = OUTPUT_TIMEOUT_MS };

	if (ret_out) {
		spec.out = PROC_CAPTURE;
		spec.out_buf = ret_out;
	}
	int r = proc_check(&spec, err);
	if (r == 0 && ret_out)
		buf_trim_end(ret_out);
	return r;
}

pid_t proc_spawn(const struct proc_spec *spec, struct error *err)
{
	struct child c = CHILD_INIT;

	if (needs_pipe(spec->in) || needs_pipe(spec->out) || needs_pipe(spec->errs) || needs_guard(spec))
		return error_say(err, EINVAL, "proc_spawn(%s): a pipe nobody would serve", spec->argv[0]);
	int r = start(spec, &c, err);
	return r < 0 ? r : c.pid;
}

int proc_wait(pid_t pid, const char *name, int timeout_ms, struct error *err)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int64_t deadline = clock_ms() + timeout_ms;

	if (pidfd < 0)
		return error_set(err, errno, "watch %s", name);
	for (;;) {
		struct pollfd one = { .fd = pidfd, .events = POLLIN };
		int64_t left = timeout_ms < 0 ? -1 : deadline - clock_ms();
		if (poll(&one, 1, timeout_ms >= 0 && left < 0 ? 0 : (int)left) > 0)
			return reap(pid, name, err);
		if (timeout_ms >= 0 && clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "%s did not end within %d s", name, timeout_ms / 1000);
	}
}
