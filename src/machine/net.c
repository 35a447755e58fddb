// SPDX-License-Identifier: Apache-2.0
// TCP and UNIX-socket work with deadlines; see net.h.
#include "net.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/path.h"
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LAST_PORT = 65535 };

int net_wait(int fd, bool for_write, int64_t deadline, const char *what, struct error *err)
{
	struct pollfd one = { .fd = fd, .events = for_write ? POLLOUT : POLLIN };

	for (;;) {
		int64_t left = deadline - clock_ms();
		int n = poll(&one, 1, left < 0 ? 0 : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return error_set(err, errno, "wait for %s", what);
		int r = n < 0 ? interrupt_check(err) : 0;
		if (r < 0)
			return r;
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "%s did not answer in time", what);
	}
}

// Connects a new non-blocking socket, and waits for the outcome.
static int connect_to(const struct sockaddr *address, socklen_t len, const char *what, int64_t deadline, int *ret_fd,
		      struct error *err)
{
	int failure = 0;
	socklen_t size = sizeof(failure);
	cleanup_close int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set(err, errno, "make a socket for %s", what);
	if (connect(fd, address, len) < 0) {
		if (errno != EINPROGRESS)
			return error_set(err, errno, "connect to %s", what);
		int r = net_wait(fd, true, deadline, what, err);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
			failure = errno;
		if (failure)
			return error_set(err, failure, "connect to %s", what);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int net_connect_tcp(const char *host, int port, int64_t deadline, int *ret_fd, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	cleanup_free char *service = xasprintf("%d", port);
	cleanup_free char *what = xasprintf("%s:%d", host, port);
	struct addrinfo *found;

	int why = getaddrinfo(host, service, &hints, &found);
	if (why)
		return error_say(err, EHOSTUNREACH, "look up %s: %s", host, gai_strerror(why));
	int r = -EHOSTUNREACH;
	for (const struct addrinfo *a = found; a && r < 0; a = a->ai_next)
		r = connect_to(a->ai_addr, a->ai_addrlen, what, deadline, ret_fd, err);
	freeaddrinfo(found);
	return r;
}

int net_connect_unix(const char *path, int64_t deadline, int *ret_fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_free char *dir = path_dir(path);
	cleanup_close int dir_fd = -1;

	if (strlen(path) < sizeof(address.sun_path)) {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	} else {
		// Through the folder's fd the name is short.
		dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir_fd < 0)
			return error_set(err, errno, "open %s", dir);
		snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.64s", dir_fd, path_base(path));
	}
	return connect_to((struct sockaddr *)&address, sizeof(address), path, deadline, ret_fd, err);
}

bool net_port_is_free(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	// As QEMU does: connections of yesterday that linger do not count, a listener does.
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return false;
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0;
}

int net_free_port(int first, bool (*taken)(int port, const void *arg), const void *arg, int *ret, struct error *err)
{
	for (int port = first; port <= LAST_PORT; port++)
		if (!(taken && taken(port, arg)) && net_port_is_free(port)) {
			*ret = port;
			return 0;
		}
	return error_say(err, EADDRINUSE, "no port from %d on is free on 127.0.0.1", first);
}

int net_check_banner(const char *host, int port, const char *prefix, int64_t deadline, struct error *err)
{
	cleanup_free char *what = xasprintf("%s:%d", host, port);
	size_t wanted = strlen(prefix), have = 0;
	cleanup_close int fd = -1;
	char got[64];

	int r = net_connect_tcp(host, port, deadline, &fd, err);
	while (r == 0 && have < wanted) {
		r = net_wait(fd, false, deadline, what, err);
		if (r < 0)
			return r;
		ssize_t n = recv(fd, got + have, wanted - have, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n == 0 ? error_say(err, ECONNRESET, "%s closed the connection", what)
				      : error_set(err, errno, "read from %s", what);
		have += (size_t)n;
	}
	if (r == 0 && memcmp(got, prefix, wanted) != 0)
		return error_say(err, EPROTO, "what answers at %s is not %s", what, prefix);
	return r;
}
