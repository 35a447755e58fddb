// SPDX-License-Identifier: Apache-2.0
// People of /etc/passwd and /etc/group. (glibc's getpwnam cannot be used in a static program.)
#pragma once

#include "guest.h"

#include <sys/types.h>

#define USER_GROUPS_MAX 32

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX]; // all of them, the primary one first
	size_t group_count;
	char *home, *shell;
};

int user_find(const struct guest *g, const char *name, struct user *ret, struct error *err) MUST_CHECK;
void user_done(struct user *u);
