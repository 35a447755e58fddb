// SPDX-License-Identifier: Apache-2.0
// The configuration of our own kernel: fragments in Kconfig's own syntax, merged, and checked against what Kconfig made of them.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <stdbool.h>

struct kernel_option {
	char *name; // "CONFIG_VETH"
	char *value; // "y", "m", "n" (also for "is not set"), a number, or a quoted string
	char *where; // "docker.config:12"
};

struct kernel_config {
	struct kernel_option *items; // in the order of the files
	size_t count;
};

#define cleanup_kernel_config CLEANUP(kernel_config_done)
void kernel_config_done(struct kernel_config *c);

// Adds a fragment: lines `CONFIG_NAME=VALUE` and `# CONFIG_NAME is not set`, comments, blank lines; anything else is an error.
// An option that an earlier line has set to another value is an error that names both places, unless `override`: then the
// new value holds. `what` names the fragment.
int kernel_config_add(struct kernel_config *c, const char *what, const char *text, size_t len, bool override,
		      struct error *err) MUST_CHECK;
// Adds every *.config file of a folder, in name order; none at all is an error.
int kernel_config_add_folder(struct kernel_config *c, const char *folder, struct error *err) MUST_CHECK;

// Appends all options as one fragment, for `make KCONFIG_ALLCONFIG=… allnoconfig`.
void kernel_config_write(const struct kernel_config *c, struct buf *ret);

// Compares with the .config that Kconfig made. The first option that has another value is the error, with its place, what it
// became, and how many more there are; those are logged.
int kernel_config_check(const struct kernel_config *c, const char *text, size_t len, struct error *err) MUST_CHECK;
