// SPDX-License-Identifier: Apache-2.0
// The machine's QEMU as a process; see internal.h.
//
// Theory of operation. QEMU writes its pid into qemu.pid. That number alone proves nothing: QEMU may have been killed,
// and the pid given to somebody else's process. So first a pidfd is taken, which stays with the one process that had
// the pid at that moment; then that process's arguments are read, and only a process that was started with `-pidfile
// OUR-PATH` is the machine's QEMU. Waiting and killing go through the pidfd, so no later reuse of the number can make
// us hit a stranger.
#include "internal.h"

#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { PID_FILE_MAX = 64, ARGUMENTS_MAX = 256 << 10, STAT_MAX = 4096 };

pid_t qemu_spawn(const struct machine *m, struct strv *argv, const struct strv *env, int log, void (*setup)(void *arg),
		 void *arg, struct error *err)
{
	struct proc_spec spec = { .argv = (const char *const *)strv_argv(argv),
				  .env = env ? (const char *const *)strv_argv(env) : NULL,
				  .cwd = m->dir,
				  .out = PROC_FD,
				  .out_fd = log,
				  .errs = PROC_FD,
				  .err_fd = log,
				  .own_session = true,
				  .child_setup = setup,
				  .child_arg = arg };

	run_log(spec.argv);
	return proc_spawn(&spec, err);
}

static int read_pid(const char *path, int *ret)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(path, PID_FILE_MAX, &text, NULL) < 0)
		return -ENOENT;
	buf_trim_end(&text);
	return number_parse_int(buf_str(&text), 2, 1 << 22, ret, NULL);
}

// The same file, by whichever path: the store may be reached through a symbolic link.
static bool is_same_file(const char *a, const char *b)
{
	struct stat is_a, is_b;

	return stat(a, &is_a) == 0 && stat(b, &is_b) == 0 && is_a.st_dev == is_b.st_dev && is_a.st_ino == is_b.st_ino;
}

// A process's arguments are NUL-terminated strings, one after the other.
static int read_arguments(int pid, struct strv *ret, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/cmdline", pid);
	cleanup_buf struct buf text = BUF_INIT;
	int r = file_read(path, ARGUMENTS_MAX, &text, err);

	for (size_t at = 0; r == 0 && at < text.len; at += strlen(text.data + at) + 1)
		strv_push(ret, text.data + at);
	return r;
}

// Was the process started with `-pidfile PATH`?
static bool has_pid_file_argument(int pid, const char *pid_file)
{
	cleanup_strv struct strv words = STRV_INIT;

	if (read_arguments(pid, &words, NULL) < 0)
		return false;
	for (size_t i = 1; i < words.count; i++)
		if (strcmp(words.items[i - 1], "-pidfile") == 0 && is_same_file(words.items[i], pid_file))
			return true;
	return false;
}

int qemu_process_find(const struct machine *m, int *ret_pidfd, struct error *err)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	int pid;

	if (read_pid(pid_file, &pid) < 0)
		return 0;
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0 : error_set(err, errno, "look at process %d of machine \"%s\"", pid, m->name);
	if (!has_pid_file_argument(pid, pid_file) || qemu_process_wait(pidfd, 0))
		return 0;
	*ret_pidfd = take_fd(&pidfd);
	return 1;
}

int qemu_process_arguments(const struct machine *m, struct strv *ret, struct error *err)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	int pid;

	if (read_pid(pid_file, &pid) < 0)
		return error_say(err, ESRCH, "machine \"%s\" has no QEMU any more", m->name);
	return read_arguments(pid, ret, err);
}

// /proc/PID/stat: the name in parentheses may hold anything; the 20th field behind it is when the process was started, in ticks since
// this host was.
static int read_start(int pid, double *ret)
{
	cleanup_free char *path = xasprintf("/proc/%d/stat", pid);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv fields = STRV_INIT;
	uint64_t ticks;

	if (file_read(path, STAT_MAX, &text, NULL) < 0)
		return -ESRCH;
	const char *behind = strrchr(buf_str(&text), ')');
	strv_split(&fields, behind ? behind + 1 : "", " ");
	if (fields.count < 20 || number_parse_u64(fields.items[19], 0, INT64_MAX, &ticks, NULL) < 0)
		return -EBADMSG;
	*ret = (double)ticks / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

double qemu_process_uptime(const struct machine *m)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	cleanup_strv struct strv words = STRV_INIT;
	cleanup_close int pidfd = -1;
	struct timespec now;
	double start;
	int pid;

	if (qemu_process_find(m, &pidfd, NULL) <= 0 || read_pid(pid_file, &pid) < 0 || read_start(pid, &start) < 0 ||
	    read_arguments(pid, &words, NULL) < 0 || strv_contains(&words, "-incoming"))
		return -1;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - start;
}

void qemu_process_forget(const struct machine *m)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	struct error ignored = ERROR_INIT;

	if (file_unlink(pid_file, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

int qemu_process_wait(int pidfd, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;
	struct pollfd one = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - clock_ms();
		int n = poll(&one, 1, left < 0 ? 0 : (int)left);
		if (n > 0)
			return 1;
		// A signal (Ctrl-C) ends the wait: the caller looks what to do.
		if (n < 0 || clock_ms() >= deadline)
			return 0;
	}
}

int qemu_process_kill(int pidfd, struct error *err)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, errno, "kill QEMU");
	return 0;
}
