// SPDX-License-Identifier: Apache-2.0
// What every part of PID 1 gets: where the root is, and what the kernel command line asked for.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"
#include "options.h"

#include <stdbool.h>

// Paths are the contract's, beneath `root`: "" in a booted system, a folder in the tests.
struct guest {
	const char *root;
	struct options options;
};

#define GUEST_RUN "/run/boot2docker" // what steps leave for each other; gone at power off
#define GUEST_DATA "/var/lib/boot2docker" // what survives, when there is a data disk
#define GUEST_PROGRAMS "/usr/lib/boot2docker" // programs of ours that people do not call
#define GUEST_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ROOT + path. The caller frees.
char *guest_path(const struct guest *g, const char *path);
// Reads a small text file beneath the root, white space at its end dropped; NULL when it cannot be read. The caller frees.
char *guest_read(const struct guest *g, const char *path);
// Replaces a small text file beneath the root.
int guest_write(const struct guest *g, const char *path, const char *text, struct error *err) MUST_CHECK;
// The full paths of the files in a folder beneath the root whose names end in one of `endings` (NULL-terminated), sorted; hidden
// ones not. At most GUEST_FILES_MAX. No folder: none.
#define GUEST_FILES_MAX 1000
void guest_files(const struct guest *g, const char *folder, const char *const *endings, struct strv *ret);
