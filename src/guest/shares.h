// SPDX-License-Identifier: Apache-2.0
// Folders that the host shares: which there are, where each is mounted, and mounting them.
#pragma once

#include "guest.h"
#include "vbox.h"

#include <stddef.h>

struct share {
	char *tag; // what is given to mount(2) as its source
	char *name; // what the host calls it
	char *target; // where it is mounted, beneath the root: "/c/Users"
	const char *type; // "9p", "virtiofs", "vboxsf"
};

struct shares {
	struct share *list;
	size_t count;
};

#define SHARES_MAX 256

// Step: mounts every share by the naming rule. One that cannot be mounted is logged, and the others are mounted.
int shares_mount(struct guest *g, struct error *err) MUST_CHECK;

// The naming rule: "/" + name, "\" being "/" and "c:" being "c". Refused with -EPERM: control characters, "..", and what
// would hide a part of the system.
int share_target(const char *name, char **ret, struct error *err) MUST_CHECK;
// What there is to mount, in the order to do it: a folder before what lies in it. Of several for one place the first of
// `Users`, `/Users` (`c/Users`, `/c/Users`, `c:/Users`) is taken. What is refused is logged. `v`: VirtualBox's device, or NULL.
void shares_plan(const struct guest *g, const struct vbox *v, struct shares *ret);
void shares_done(struct shares *s);
