// SPDX-License-Identifier: Apache-2.0
// Loads a compiled AppArmor profile.
#include "apparmor.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#define SECURITYFS "/sys/kernel/security"
#define POLICY_MAX (1024 * 1024)

int apparmor_load(struct guest *g, struct error *err)
{
	cleanup_free char *folder = guest_path(g, SECURITYFS);
	cleanup_free char *door = guest_path(g, SECURITYFS "/apparmor/.replace");
	cleanup_free char *path = guest_path(g, GUEST_PROGRAMS "/docker-default.apparmor");
	cleanup_buf struct buf policy = BUF_INIT;
	cleanup_close int fd = -1;
	int r;

	if (mount("securityfs", folder, "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != EBUSY)
		return error_set(err, errno, "mount securityfs at %s", folder);
	fd = open(door, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		log_debug("the kernel has no AppArmor: %s", strerror(errno));
		return 0;
	}
	r = file_read(path, POLICY_MAX, &policy, err);
	if (r < 0)
		return r;
	// The kernel takes a policy in one write, whole or not at all.
	if (write(fd, policy.data, policy.len) != (ssize_t)policy.len)
		return error_set(err, errno, "load the AppArmor profile of containers, %s", path);
	return 0;
}
