// SPDX-License-Identifier: Apache-2.0
// XenStore, through /dev/xen/xenbus: the tree of names and values by which Xen's guests and their host know of each other.
// Paths without a leading slash are the guest's own (docs/misc/xenstore.txt of Xen).
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <stdint.h>

struct xenstore {
	int fd; // the caller's
	uint32_t last_request;
};

int xenstore_read(struct xenstore *x, const char *path, struct buf *ret, struct error *err) MUST_CHECK; // -ENOENT
int xenstore_write(struct xenstore *x, const char *path, const char *value, struct error *err) MUST_CHECK;
int xenstore_remove(struct xenstore *x, const char *path, struct error *err) MUST_CHECK; // what is not there is success
