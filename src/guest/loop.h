// SPDX-License-Identifier: Apache-2.0
// A small event loop over epoll: file descriptors and whom to tell.
#pragma once

#include "lib/error.h"

#include <stdint.h>

#define LOOP_MAX 64

struct loop_watch {
	int fd; // -1: a free place
	void (*ready)(int fd, void *arg);
	void *arg;
};

struct loop {
	int epoll;
	struct loop_watch watches[LOOP_MAX];
};

int loop_init(struct loop *l, struct error *err) MUST_CHECK;
void loop_done(struct loop *l); // closes its own fd, not those watched
// Calls `ready` whenever fd can be read. The fd stays the caller's.
int loop_add(struct loop *l, int fd, void (*ready)(int fd, void *arg), void *arg, struct error *err) MUST_CHECK;
void loop_remove(struct loop *l, int fd); // before the fd is closed
// Waits for something to happen, at most timeout_ms (-1: for ever), and tells whoever it concerns.
void loop_wait(struct loop *l, int timeout_ms);
