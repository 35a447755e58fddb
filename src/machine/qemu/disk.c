// SPDX-License-Identifier: Apache-2.0
// A new machine's key and disk; see internal.h.
#include "internal.h"

#include "../provision.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

#include <time.h>

enum { TOOL_TIMEOUT_MS = 60 * 1000, PUBLIC_KEY_MAX = 16 << 10 };

// The file keeps Docker Machine's name, which others look for; the key in it is Ed25519: an RSA key of today's strength
// would not fit twice into the disk's first 4096 bytes.
int qemu_make_key(const struct machine *m, struct error *err)
{
	cleanup_free char *key = machine_path(m, "id_rsa");
	const char *argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boot2docker", "-f", key, NULL };

	return run_check(argv, TOOL_TIMEOUT_MS, err);
}

static int write_magic(const struct machine *m, const char *path, struct error *err)
{
	cleanup_free char *key_path = machine_path(m, "id_rsa.pub");
	cleanup_buf struct buf key = BUF_INIT;
	cleanup_buf struct buf tar = BUF_INIT;

	int r = file_read(key_path, PUBLIC_KEY_MAX, &key, err);
	if (r == 0)
		r = provision_magic_tar(buf_str(&key), time(NULL), &tar, err);
	return r < 0 ? r : file_replace(path, tar.data, tar.len, 0600, err);
}

int qemu_make_disk(const struct machine *m, struct error *err)
{
	cleanup_free char *raw = machine_path(m, "disk.raw.tmp");
	cleanup_free char *disk = machine_path(m, "disk.qcow2");
	cleanup_free char *size = xasprintf("%dM", (int)json_int_at(m->config, "Driver.DiskSize", 0));
	const char *convert[] = { "qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, disk, NULL };
	const char *grow[] = { "qemu-img", "resize", "-q", "-f", "qcow2", disk, size, NULL };

	int r = write_magic(m, raw, err);
	if (r == 0)
		r = run_check(convert, TOOL_TIMEOUT_MS, err);
	if (r == 0)
		r = run_check(grow, TOOL_TIMEOUT_MS, err);
	struct error ignored = ERROR_INIT;
	if (file_unlink(raw, &ignored) < 0 && r == 0)
		r = error_say(err, ignored.code, "%s", ignored.msg);
	return r;
}
