// SPDX-License-Identifier: Apache-2.0
// The user's scripts around the engine.
#include "scripts.h"

#include "child.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LINE_LEN 900 // a longer line is broken up
#define DRAIN_MS 500

static int run_script(const struct guest *g, const char *name, int out_fd, struct error *err)
{
	cleanup_free char *path = xasprintf("%s" GUEST_DATA "/%s", g->root, name);
	const char *const argv[] = { "/bin/sh", path, NULL };
	struct proc_spec spec = { .argv = argv, .out = PROC_FD, .errs = PROC_FD, .out_fd = out_fd, .err_fd = out_fd };
	pid_t pid;
	int r;

	log_info("running %s", name);
	pid = proc_spawn(&spec, err);
	if (pid < 0)
		return pid;
	r = proc_wait(pid, name, -1, err);
	if (r < 0)
		return r;
	log_info("%s ended with exit status %d", name, r);
	return r > 0 ? error_say(err, EPROTO, "%s failed with exit status %d", name, r) : 0;
}

static bool has_script(const struct guest *g, const char *name)
{
	cleanup_free char *path = xasprintf("%s" GUEST_DATA "/%s", g->root, name);

	return file_exists(path);
}

// Writes each line of `in` to the boot log, until all who could write into it have ended.
static void log_lines(int in, const char *name)
{
	char line[LINE_LEN + 1];
	size_t len = 0;
	ssize_t got;

	while ((got = read(in, line + len, LINE_LEN - len)) > 0 || (got < 0 && errno == EINTR)) {
		char *start = line, *end;

		len += got > 0 ? (size_t)got : 0;
		while ((end = memchr(start, '\n', len - (size_t)(start - line)))) {
			log_info("%s: %.*s", name, (int)(end - start), start);
			start = end + 1;
		}
		len -= (size_t)(start - line);
		memmove(line, start, len);
		if (len == LINE_LEN) {
			log_info("%s: %.*s", name, (int)len, line);
			len = 0;
		}
	}
	if (len > 0)
		log_info("%s: %.*s", name, (int)len, line);
}

// A process of its own reads what the script prints: a program that the script leaves running may print for ever.
int scripts_bootsync(struct guest *g, struct error *err)
{
	static const char name[] = "bootsync.sh";
	cleanup_close int in = -1, out = -1;
	int ends[2], r;
	pid_t reader;

	if (!has_script(g, name))
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe for the output of %s", name);
	in = ends[0];
	out = ends[1];
	reader = child_fork(err);
	if (reader < 0)
		return reader;
	if (reader == 0) {
		close(take_fd(&out));
		log_lines(in, name);
		_exit(0);
	}
	r = run_script(g, name, out, err);
	close(take_fd(&out));
	(void)!proc_wait(reader, "reader", DRAIN_MS,
			 NULL); // what the script printed last is in the log before the engine starts
	return r;
}

int scripts_bootlocal(struct guest *g, struct error *err)
{
	cleanup_free char *path = guest_path(g, "/var/log/bootlocal.log");
	cleanup_close int fd = -1;

	if (!has_script(g, "bootlocal.sh"))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	return run_script(g, "bootlocal.sh", fd, err);
}
