// SPDX-License-Identifier: Apache-2.0
// The people of the image: distro/users becomes passwd, group, shadow, gshadow, subuid and subgid.
#pragma once

#include "image/tree.h"
#include "lib/error.h"

#include <stdint.h>

struct users;

// Reads the table. Refused: a name or number given twice, an unknown group, a colon in a field.
int users_read(const char *path, struct users **ret, struct error *err) MUST_CHECK;
int users_read_text(const char *what, const char *text, size_t len, struct users **ret, struct error *err) MUST_CHECK;
void users_free(struct users *u);

// Numbers by name. -ENOENT names what is missing.
int users_uid(const struct users *u, const char *name, uid_t *ret, struct error *err) MUST_CHECK;
int users_gid(const struct users *u, const char *name, gid_t *ret, struct error *err) MUST_CHECK;

// Puts the six files into /etc of the tree. `epoch` dates them.
int users_write(const struct users *u, struct node *root, int layer, int64_t epoch, struct error *err) MUST_CHECK;
