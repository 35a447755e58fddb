// SPDX-License-Identifier: Apache-2.0
// What the host hands to a machine: the engine's profile, its certificates and its name, as a tar that the guest
// unpacks over /var/lib/boot2docker.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <stdbool.h>
#include <time.h>

struct machine;

// The tar (ustar, at most 1 MiB): profile and etc/hostname (unless certificates_only), ca.pem, server.pem,
// server-key.pem.
int provision_tar(const struct machine *m, bool certificates_only, time_t now, struct buf *ret,
		  struct error *err) MUST_CHECK;
// The same for a template or a machine that is born from one, whose QEMU shows the guest another archive of the same size: of
// PROVISION_BORN_LEN bytes, and first in it random numbers for the guest's. `archive` is provision_tar's; `userdata` what the disk would
// begin with (NULL: nothing), `key` a file with an SSH host key that the guest need not make (NULL: none). E2BIG: it does not fit.
enum { PROVISION_BORN_LEN = 32 << 10 };
int provision_born(const struct buf *archive, const struct buf *userdata, const char *key, time_t now, struct buf *ret,
		   struct error *err) MUST_CHECK;
// The disk's first bytes, by which the guest knows that it may format it: a tar whose first member is the magic, with
// the public key for the user docker. 4096 bytes at most; E2BIG when the key is too long for that.
int provision_magic_tar(const char *public_key, time_t now, struct buf *ret, struct error *err) MUST_CHECK;
