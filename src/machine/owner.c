// SPDX-License-Identifier: Apache-2.0
// User namespaces for those who share files; see owner.h.
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void owner_plan(uid_t uid, gid_t gid, struct owner *ret)
{
	snprintf(ret->uid_map, sizeof(ret->uid_map), "%d %u 1\n", OWNER_DOCKER_UID, (unsigned)uid);
	snprintf(ret->gid_map, sizeof(ret->gid_map), "%d %u 1\n", OWNER_DOCKER_GID, (unsigned)gid);
}

// Async-signal-safe.
static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return written < 0 ? -1 : 0;
}

int owner_enter(const struct owner *owner)
{
	// A process without the right to change its groups may map its own group only after giving that up for good.
	return unshare(CLONE_NEWUSER) < 0 || write_text("/proc/self/setgroups", "deny") < 0 ||
			       write_text("/proc/self/gid_map", owner->gid_map) < 0 ||
			       write_text("/proc/self/uid_map", owner->uid_map) < 0
		       ? -1
		       : 0;
}

bool owner_allowed(void)
{
	struct owner owner;
	int status;

	owner_plan(geteuid(), getegid(), &owner);
	pid_t pid = fork();
	if (pid == 0)
		_exit(owner_enter(&owner) < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool owner_matters(uid_t uid)
{
	return uid != 0 && uid != OWNER_DOCKER_UID;
}
