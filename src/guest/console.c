// SPDX-License-Identifier: Apache-2.0
// Consoles with automatic login.
#include "console.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static const char *const lines[] = { "tty1", "ttyS0", NULL };

// Opens the line as this session's terminal. -ENODEV: there is no such terminal (a serial port that is only a name opens, but
// has no terminal settings).
static int take_terminal(const char *path, struct error *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct termios settings;

	if (fd < 0 || tcgetattr(fd, &settings) < 0)
		return error_say(err, ENODEV, "%s is not a terminal here: %s", path, strerror(errno));
	settings.c_iflag = BRKINT | ICRNL | IXON | IUTF8;
	settings.c_oflag = OPOST | ONLCR;
	settings.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	settings.c_cflag |= CREAD | CLOCAL;
	tcsetattr(fd, TCSANOW, &settings);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (ioctl(fd, TIOCSCTTY, 1) < 0)
		return error_set(err, errno, "take %s as terminal", path);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	return 0;
}

static void print_motd(const struct guest *g)
{
	cleanup_free char *path = guest_path(g, "/etc/motd");
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(path, 64 * 1024, &text, NULL) == 0)
		(void)!write(1, text.data, text.len);
}

static int become_user(const struct user *u, const char *line, struct error *err)
{
	(void)!fchown(0, u->uid, 5); // group tty
	(void)!fchmod(0, 0620);
	if (setgroups(u->group_count, u->groups) < 0 || setgid(u->gid) < 0 || setuid(u->uid) < 0)
		return error_set(err, errno, "become the user of %s", line);
	if (chdir(u->home) < 0 && chdir("/") < 0)
		return error_set(err, errno, "enter %s", u->home);
	return 0;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, launch->argument);
	bool serial = strncmp(launch->argument, "ttyS", 4) == 0;
	struct user docker;
	int r = user_find(g, "docker", &docker, err);

	if (r < 0)
		return r;
	r = take_terminal(path, err);
	if (r < 0)
		return r;
	print_motd(g);
	r = become_user(&docker, launch->argument, err);
	if (r < 0)
		return r;
	strv_push(&launch->argv, docker.shell);
	strv_push(&launch->argv, "-l");
	strv_done(&launch->env);
	strv_push(&launch->env, "PATH=" GUEST_PATH);
	strv_push(&launch->env, serial ? "TERM=vt220" : "TERM=linux");
	strv_pushf(&launch->env, "HOME=%s", docker.home);
	strv_pushf(&launch->env, "SHELL=%s", docker.shell);
	strv_push(&launch->env, "USER=docker");
	strv_push(&launch->env, "LOGNAME=docker");
	user_done(&docker);
	return 0;
}

static void list_lines(const struct guest *g, struct strv *ret)
{
	(void)g;
	strv_push_all(ret, lines);
}

const struct service_row console_service = {
	.name = "console",
	.prepare = prepare,
	.after = "home hostname",
	.instances = list_lines,
	.stop_signal = SIGHUP,
	.stop_order = 2,
};

// A root shell, in place of a boot that cannot go on.
static int prepare_rescue(struct guest *g, struct launch *launch, struct error *err)
{
	static const char *const shells[] = { "/bin/bash", "/bin/sh" };
	cleanup_free char *console = guest_path(g, "/dev/console");

	for (size_t i = 0; i < ARRAY_SIZE(shells) && launch->argv.count == 0; i++)
		if (access(shells[i], X_OK) == 0)
			strv_push(&launch->argv, shells[i]);
	if (launch->argv.count == 0)
		return error_say(err, ENODEV, "there is no shell here");
	strv_push(&launch->argv, "-i");
	return take_terminal(console, err);
}

const struct service_row rescue_service = {
	.name = "rescue", .prepare = prepare_rescue, .stop_signal = SIGHUP, .stop_order = 2
};
