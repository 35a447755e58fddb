// SPDX-License-Identifier: Apache-2.0
// The guest agent on its port.
//
// Theory of operation
//
// A virtio-serial port on whose other side nobody listens reads as ended and polls as hung up (virtio_console(4) of the kernel:
// drivers/char/virtio_console.c), for as long as that lasts. So the port is watched edge-triggered: it is looked at again when
// something has changed, and an agent that nobody talks to never runs. A client that goes away in the middle of a request is
// forgotten; what it froze stays so until it comes back or the time is over.
//
// What a host sends as soon as it is connected may be here before the kernel has heard that it is, which it does from another
// queue: the port is still hung up when the answer is to be written. So that is tried for a while.
#include "lib/clock.h"
#include "lib/log.h"
#include "qemu_agent.h"
#include "qemu_agent_freeze.h"
#include "qemu_agent_reader.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#define WRITE_MS 5000 // a host that does not read its answer gets none
#define HUNG_UP_MS 1000 // the same for one that has gone
#define HUNG_UP_PAUSE_MS 10

static const char not_json[] = "?";

// Waits until the port takes bytes. False: not in time.
static bool wait_writable(int port, int64_t start)
{
	struct pollfd writable = { .fd = port, .events = POLLOUT };
	int64_t now = clock_ms();

	if (now > start + WRITE_MS || poll(&writable, 1, (int)(start + WRITE_MS - now)) <= 0)
		return false;
	if (!(writable.revents & (POLLHUP | POLLERR)))
		return true;
	clock_sleep_ms(HUNG_UP_PAUSE_MS);
	return now < start + HUNG_UP_MS;
}

// False: the host does not take it.
static bool write_all(int port, const struct buf *text)
{
	int64_t start = clock_ms();

	for (size_t done = 0; done < text->len;) {
		ssize_t len = write(port, text->data + done, text->len - done);

		if (len > 0)
			done += (size_t)len;
		else if ((len < 0 && errno != EAGAIN && errno != EINTR) || !wait_writable(port, start))
			return false;
	}
	return true;
}

// A host that did not take one answer is not waited for with the next.
static void take_bytes(struct agent *a, struct agent_reader *reader, int port, const uint8_t *bytes, size_t len)
{
	bool is_heard = true;

	for (size_t i = 0; i < len; i++) {
		cleanup_buf struct buf answer = BUF_INIT;
		enum agent_read read = agent_reader_take(reader, bytes[i]);

		if (read == AGENT_REQUEST)
			agent_answer(a, reader->text.data, reader->text.len, &answer);
		else if (read == AGENT_GARBAGE)
			agent_answer(a, not_json, strlen(not_json), &answer);
		if (answer.len == 0 || !is_heard)
			continue;
		is_heard = write_all(port, &answer);
		if (!is_heard)
			log_debug("guest agent: the host does not take an answer");
	}
}

// Takes all that is there. False: the port is gone.
static bool drain(struct agent *a, struct agent_reader *reader, int port)
{
	uint8_t bytes[4096];
	ssize_t len;

	while ((len = read(port, bytes, sizeof(bytes))) > 0)
		take_bytes(a, reader, port, bytes, (size_t)len);
	if (len == 0)
		agent_reader_reset(reader);
	return len == 0 || errno == EAGAIN || errno == EINTR;
}

static int watch(int port, int stop, struct error *err)
{
	struct epoll_event of_port = { .events = EPOLLIN | EPOLLET, .data.fd = port };
	struct epoll_event of_stop = { .events = EPOLLIN, .data.fd = stop };
	cleanup_close int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, port, &of_port) < 0 ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, stop, &of_stop) < 0)
		return error_set(err, errno, "watch the guest agent's port");
	return take_fd(&fd);
}

int agent_serve(struct agent *a, int port, int stop, struct error *err)
{
	cleanup_close int epoll = watch(port, stop, err);
	struct agent_reader reader = { .depth = 0 };
	int r = epoll < 0 ? epoll : 1;

	while (r > 0) {
		struct epoll_event event = { .data.fd = -1 };
		int count = epoll_wait(epoll, &event, 1, agent_tick(a));

		if (count < 0 && errno != EINTR)
			r = error_set(err, errno, "wait for the guest agent's port");
		else if (count > 0 && event.data.fd == stop)
			r = 0;
		else if (count > 0 && !drain(a, &reader, port))
			r = error_set(err, ENODEV, "the guest agent's port");
	}
	if (a->thaw_ms)
		agent_thaw(a);
	agent_reader_done(&reader);
	return r;
}
