// SPDX-License-Identifier: Apache-2.0
// Connections over a time that the machine missed: which of them are dead is found out at once.
//
// Theory of operation
//
// A machine that was saved comes back without the connections that its hypervisor carried for it (QEMU's user network and
// VirtualBox's NAT live in a process that has ended), and nobody tells the guest. Who writes learns it from the answer, a reset (RFC
// 9293, 3.10.7.1); who waits to be written to would wait for ever. So each established connection is made to send a keepalive
// probe (RFC 9293, 3.8.4; tcp(7)): one that lives answers, and nobody notices; one that is dead is reset, and its process told. It does
// no harm where the machine was only paused, and needs no knowledge of which connections are the hypervisor's.
//
// The sockets are other processes', in the network namespaces of containers: pidfd_getfd(2) lends them (since Linux 5.6). They are
// given back after a moment with the options that they had. They are not held meanwhile: a process that closes one means it.
#pragma once

#include "guest.h"

#include <stddef.h>
#include <sys/types.h>

struct connection {
	pid_t pid;
	int fd; // of that process
	ino_t inode; // by which the socket is known again
	int keepalive, idle_s, interval_s, count; // its options before
};

struct connections {
	struct connection *items;
	size_t count, allocated;
};

#define CONNECTIONS_INIT      \
	{                     \
		.items = NULL \
	}

void connections_done(struct connections *c);

// Has the established TCP connections of a process send a probe within a second or two, and adds them; one that is there already
// is left out. A process that is gone, or not ours to look into, has none.
void connections_probe(struct connections *c, const struct guest *g, pid_t pid);
// Gives those that are still there the options that they had.
void connections_restore(const struct connections *c, const struct guest *g);

// Both for all processes, in a child of the caller's, which takes some seconds.
void connections_check(const struct guest *g);
