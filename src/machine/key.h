// SPDX-License-Identifier: Apache-2.0
// A machine's SSH key, and the beginning of its disk that carries the public half into it.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

struct machine;

// Makes id_rsa and id_rsa.pub in the machine's folder.
int key_make(const struct machine *m, struct error *err) MUST_CHECK;
// The first bytes of a new disk (see provision_magic_tar), with the key of the machine's folder.
int key_magic_tar(const struct machine *m, struct buf *ret, struct error *err) MUST_CHECK;
