// SPDX-License-Identifier: Apache-2.0
// Connections over a time that the machine missed; see connections.h.
#include "connections.h"

#include "child.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/number.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 4096,
	PROBE_S = 1, // idle for this long, and probed this often
	COUNT = 127, // without an answer, before the kernel gives the connection up: never while we wait
	PROBED_MS = 3000,
	LIFE_S = 60, // of the child, whatever happens
};

struct tcp_option {
	int level, name;
};

static const struct tcp_option keepalive_on = { SOL_SOCKET, SO_KEEPALIVE };
static const struct tcp_option keepalive_idle = { IPPROTO_TCP, TCP_KEEPIDLE };
static const struct tcp_option keepalive_interval = { IPPROTO_TCP, TCP_KEEPINTVL };
static const struct tcp_option keepalive_count = { IPPROTO_TCP, TCP_KEEPCNT };

void connections_done(struct connections *c)
{
	free(c->items);
	*c = (struct connections)CONNECTIONS_INIT;
}

static int option(int fd, struct tcp_option o)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, o.level, o.name, &value, &len) < 0 ? -1 : value;
}

static bool set_option(int fd, struct tcp_option o, int value)
{
	return setsockopt(fd, o.level, o.name, &value, sizeof(value)) == 0;
}

// The number of the socket that a process has as this file; 0: it is none, or gone.
static ino_t socket_inode(const struct guest *g, pid_t pid, const char *fd)
{
	cleanup_free char *inner = xasprintf("/proc/%d/fd/%s", (int)pid, fd);
	cleanup_free char *path = guest_path(g, inner);
	char target[64];
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	uint64_t inode = 0;

	if (len < 9 || strncmp(target, "socket:[", 8) != 0 || target[len - 1] != ']')
		return 0;
	target[len - 1] = '\0';
	return number_parse_u64(target + 8, 1, UINT64_MAX, &inode, NULL) < 0 ? 0 : (ino_t)inode;
}

static bool is_established(int fd)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);

	return option(fd, (struct tcp_option){ SOL_SOCKET, SO_PROTOCOL }) == IPPROTO_TCP &&
	       getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}

// The one that turns probing on comes last: it looks at the others.
static bool probe(int fd, struct connection *before)
{
	before->keepalive = option(fd, keepalive_on);
	before->idle_s = option(fd, keepalive_idle);
	before->interval_s = option(fd, keepalive_interval);
	before->count = option(fd, keepalive_count);
	return set_option(fd, keepalive_count, COUNT) && set_option(fd, keepalive_interval, PROBE_S) &&
	       set_option(fd, keepalive_idle, PROBE_S) && set_option(fd, keepalive_on, 1);
}

static void restore(int fd, const struct connection *before)
{
	set_option(fd, keepalive_on, before->keepalive);
	set_option(fd, keepalive_idle, before->idle_s);
	set_option(fd, keepalive_interval, before->interval_s);
	set_option(fd, keepalive_count, before->count);
}

static bool is_known(const struct connections *c, ino_t inode)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].inode == inode)
			return true;
	return false;
}

static void add(struct connections *c, const struct connection *one)
{
	if (c->count == c->allocated) {
		c->allocated = c->allocated ? 2 * c->allocated : 64;
		c->items = xreallocarray(c->items, c->allocated, sizeof(*c->items));
	}
	c->items[c->count++] = *one;
}

static void probe_file(struct connections *c, const struct guest *g, pid_t pid, int process, const char *name)
{
	struct connection one = { .pid = pid, .inode = socket_inode(g, pid, name) };
	uint64_t number;

	if (!one.inode || is_known(c, one.inode) || number_parse_u64(name, 0, INT32_MAX, &number, NULL) < 0)
		return;
	one.fd = (int)number;
	cleanup_close int fd = (int)syscall(SYS_pidfd_getfd, process, one.fd, 0);
	if (fd >= 0 && is_established(fd) && probe(fd, &one))
		add(c, &one);
}

void connections_probe(struct connections *c, const struct guest *g, pid_t pid)
{
	cleanup_free char *inner = xasprintf("/proc/%d/fd", (int)pid);
	cleanup_free char *path = guest_path(g, inner);
	cleanup_close int process = (int)syscall(SYS_pidfd_open, pid, 0);
	DIR *dir = process < 0 ? NULL : opendir(path);
	struct dirent *entry;

	while (dir && c->count < CONNECTIONS_MAX && (entry = readdir(dir)))
		probe_file(c, g, pid, process, entry->d_name);
	if (dir)
		closedir(dir);
}

void connections_restore(const struct connections *c, const struct guest *g)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct connection *one = &c->items[i];
		cleanup_close int process = (int)syscall(SYS_pidfd_open, one->pid, 0);
		cleanup_close int fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, one->fd, 0);
		cleanup_free char *name = xasprintf("%d", one->fd);

		if (fd >= 0 && socket_inode(g, one->pid, name) == one->inode)
			restore(fd, one);
	}
}

static void check_all(const struct guest *g)
{
	struct connections all = CONNECTIONS_INIT;
	cleanup_free char *path = guest_path(g, "/proc");
	DIR *dir = opendir(path);
	struct dirent *entry;
	uint64_t pid;

	while (dir && (entry = readdir(dir)))
		if (number_parse_u64(entry->d_name, 1, INT32_MAX, &pid, NULL) == 0)
			connections_probe(&all, g, (pid_t)pid);
	if (dir)
		closedir(dir);
	clock_sleep_ms(PROBED_MS);
	connections_restore(&all, g);
	connections_done(&all);
}

void connections_check(const struct guest *g)
{
	struct error err = ERROR_INIT;
	pid_t pid = child_fork(&err);

	if (pid < 0)
		log_error("whether connections live cannot be found out: %s", err.msg);
	if (pid != 0)
		return;
	alarm(LIFE_S);
	check_all(g);
	_exit(0);
}
