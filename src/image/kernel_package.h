// SPDX-License-Identifier: Apache-2.0
// Writing a folder as a Debian package, so that a kernel that was built here goes the way of one that was downloaded.
#pragma once

#include "lib/error.h"

#include <stdint.h>

struct kernel_package_spec {
	const char *root; // the folder whose files are packed; symbolic links in it are left out
	const char *name, *version;
	int64_t epoch; // the time of every file
};

// The bytes depend on the spec and on the files' names and contents only: owners are root's, modes 0644 and 0755.
int kernel_package_write(const struct kernel_package_spec *spec, const char *path, struct error *err) MUST_CHECK;
