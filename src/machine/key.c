// SPDX-License-Identifier: Apache-2.0
// A machine's SSH key; see key.h.
#include "key.h"

#include "lib/file.h"
#include "provision.h"
#include "run.h"
#include "store.h"

#include <time.h>

enum { KEYGEN_TIMEOUT_MS = 60 * 1000, PUBLIC_KEY_MAX = 16 << 10 };

// The file keeps Docker Machine's name, which others look for; the key in it is Ed25519: an RSA key of today's strength
// would not fit twice into the disk's first 4096 bytes.
int key_make(const struct machine *m, struct error *err)
{
	cleanup_free char *key = machine_path(m, "id_rsa");
	const char *argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boot2docker", "-f", key, NULL };

	return run_check(argv, KEYGEN_TIMEOUT_MS, err);
}

int key_magic_tar(const struct machine *m, struct buf *ret, struct error *err)
{
	cleanup_free char *path = machine_path(m, "id_rsa.pub");
	cleanup_buf struct buf key = BUF_INIT;
	int r = file_read(path, PUBLIC_KEY_MAX, &key, err);

	return r < 0 ? r : provision_magic_tar(buf_str(&key), time(NULL), ret, err);
}
