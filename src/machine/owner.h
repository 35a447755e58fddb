// SPDX-License-Identifier: Apache-2.0
// A process that shares files of ours with a guest, and sees them as the guest's user docker's.
//
// Theory of operation. 9p has no mapping of owners: the guest sees the numbers that the server of the files sees, and its kernel
// lets the user docker (1000:50) write only where these are his. So the server runs in a user namespace of its own, in which
// we are 1000:50. It keeps our rights, and its groups, such as kvm; what it makes is ours on the host. Files of others are nobody's
// in there. A process in such a namespace can run no set-uid program.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { OWNER_DOCKER_UID = 1000, OWNER_DOCKER_GID = 50 };

// The files of one user and one group of this host are the guest's user docker's.
struct owner {
	char uid_map[32], gid_map[32];
};

// Would it make a difference? Not where we are 1000 already, nor for root, whose files are many people's.
bool owner_matters(uid_t uid);
// Does this host allow it? Tried in a process of its own.
bool owner_allowed(void);
void owner_plan(uid_t uid, gid_t gid, struct owner *ret);
// In the child that becomes the server: only async-signal-safe calls. -1: it must not go on.
int owner_enter(const struct owner *owner);
