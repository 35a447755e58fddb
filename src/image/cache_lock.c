// SPDX-License-Identifier: Apache-2.0
// One at a time in the cache folder; see cache_lock.h.
#include "image/cache_lock.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>

#define WAIT_MS (60 * 60 * 1000)

int cache_lock(const char *folder, int *ret_fd, struct error *err)
{
	cleanup_free char *path = path_join(folder, "lock");
	int r = file_mkdirs(folder, 0755, err);

	if (r == 0)
		r = lock_take(path, 0, ret_fd, err);
	if (r != -EWOULDBLOCK)
		return r;
	error_clear(err);
	log_info("Waiting for another build, which holds %s (an hour at most)", path);
	return lock_take(path, WAIT_MS, ret_fd, err);
}
