// SPDX-License-Identifier: Apache-2.0
// SHA-256 through libcrypto.
#pragma once

#include "lib/error.h"

#include <stddef.h>

#define DIGEST_HEX_LEN 65 // 64 digits and the NUL

struct digest;

struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_finish(struct digest *d, char ret_hex[DIGEST_HEX_LEN]); // frees

int digest_file(const char *path, char ret_hex[DIGEST_HEX_LEN], struct error *err) MUST_CHECK;
