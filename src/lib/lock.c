// SPDX-License-Identifier: Apache-2.0
// A lock file whose lock dies with its holder; see lock.h.
#include "lock.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum { LOCK_RETRY_MS = 20 };

int lock_take(const char *path, int timeout_ms, int *ret_fd, struct error *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int64_t deadline = clock_ms() + timeout_ms;

	if (fd < 0)
		return error_set(err, errno, "open lock %s", path);
	// flock has no timeout of its own, and a signal-driven one would be global state: so ask again.
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, errno, "lock %s", path);
		if (clock_ms() >= deadline)
			return error_say(err, EWOULDBLOCK,
					 "%s is locked by another process; wait for it to end, then try again", path);
		clock_sleep_ms(LOCK_RETRY_MS);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}
