// SPDX-License-Identifier: Apache-2.0
// A small event loop over epoll.
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>

int loop_init(struct loop *l, struct error *err)
{
	for (size_t i = 0; i < LOOP_MAX; i++)
		l->watches[i].fd = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return error_set(err, errno, "epoll_create1");
	return 0;
}

void loop_done(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	l->epoll = -1;
}

int loop_add(struct loop *l, int fd, void (*ready)(int fd, void *arg), void *arg, struct error *err)
{
	for (size_t i = 0; i < LOOP_MAX; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = i };

		if (l->watches[i].fd >= 0)
			continue;
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			return error_set(err, errno, "epoll_ctl on fd %d", fd);
		l->watches[i] = (struct loop_watch){ .fd = fd, .ready = ready, .arg = arg };
		return 0;
	}
	return error_say(err, ENOSPC, "the event loop watches %d files already", LOOP_MAX);
}

void loop_remove(struct loop *l, int fd)
{
	for (size_t i = 0; i < LOOP_MAX; i++) {
		if (l->watches[i].fd != fd)
			continue;
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
		l->watches[i].fd = -1;
	}
}

void loop_wait(struct loop *l, int timeout_ms)
{
	struct epoll_event events[16];
	int count = epoll_wait(l->epoll, events, ARRAY_SIZE(events), timeout_ms);

	for (int i = 0; i < count; i++) {
		// A watch may have been removed by one that was told before it.
		const struct loop_watch *w = &l->watches[events[i].data.u64];

		if (w->fd >= 0)
			w->ready(w->fd, w->arg);
	}
}
