// SPDX-License-Identifier: Apache-2.0
// What the host gave this machine. Both archives are foreign bytes: tar.h says what is refused.
#include "home.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "tar.h"
#include "users.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define USERDATA_MAX (1024 * 1024)
#define PROVISION_STAMP GUEST_DATA "/provisioned"

int home_userdata(struct guest *g, struct error *err)
{
	cleanup_free char *archive = guest_path(g, GUEST_DATA "/userdata.tar");
	cleanup_free char *home = guest_path(g, "/home/docker");
	cleanup_buf struct buf data = BUF_INIT;
	struct tar_unpack how = { .folder = home, .size_max = USERDATA_MAX, .members_max = 1000 };
	struct user docker;
	int r;

	if (!file_exists(archive))
		return 0;
	r = user_find(g, "docker", &docker, err);
	if (r < 0)
		return r;
	how.uid = docker.uid;
	how.gid = docker.gid;
	user_done(&docker);
	r = file_read(archive, USERDATA_MAX, &data, err);
	if (r == 0)
		r = tar_unpack(data.data, data.len, &how, err);
	if (r < 0)
		return error_wrap(err, "userdata.tar");
	log_debug("userdata.tar: %d files", r);
	return 0;
}

// Which archive it was (FNV-1a and the size), nothing more: the host that gave it is trusted.
static char *archive_stamp(const struct buf *data)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < data->len; i++)
		hash = (hash ^ (uint8_t)data->data[i]) * 0x100000001b3;
	return xasprintf("%016" PRIx64 " %zu", hash, data->len);
}

// The archive is still there after a reboot in the same QEMU, when what it gave may have been changed since: one that was taken
// before is left alone.
int home_provision(struct guest *g, struct error *err)
{
	cleanup_free char *archive = guest_path(g, HOME_PROVISION_FILE);
	cleanup_free char *folder = guest_path(g, GUEST_DATA);
	cleanup_buf struct buf data = BUF_INIT;
	struct tar_unpack how = { .folder = folder, .size_max = HOME_PROVISION_MAX, .members_max = 100 };
	int r;

	if (!file_exists(archive))
		return 0;
	r = file_read(archive, HOME_PROVISION_MAX, &data, err);
	if (r < 0)
		return error_wrap(err, "provision.tar");
	cleanup_free char *stamp = archive_stamp(&data);
	cleanup_free char *taken = guest_read(g, PROVISION_STAMP);
	if (taken && strcmp(taken, stamp) == 0)
		return 0;
	r = tar_unpack(data.data, data.len, &how, err);
	if (r < 0)
		return error_wrap(err, "provision.tar");
	log_info("the host provisioned this machine: %d files", r);
	return guest_write(g, PROVISION_STAMP, stamp, err);
}
