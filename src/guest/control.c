// SPDX-License-Identifier: Apache-2.0
// The control socket of PID 1, both ends.
#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

static int make_address(const char *path, struct sockaddr_un *ret, struct error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return error_say(err, ENAMETOOLONG, "%s is too long for a socket", path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

int control_listen(const char *path, int *ret_fd, struct error *err)
{
	struct sockaddr_un address;
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = make_address(path, &address, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return error_set(err, errno, "socket");
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 || listen(fd, 16) < 0)
		return error_set(err, errno, "listen on %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

// A client that connects and says nothing is not waited for long: PID 1 has other things to do.
bool control_accept(int listener, char *request, bool *ret_is_root, int *ret_fd)
{
	struct timeval patience = { .tv_usec = 200000 };
	cleanup_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t peer_len = sizeof(peer);
	ssize_t len;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*ret_is_root = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0 && peer.uid == 0;
	len = recv(fd, request, CONTROL_MAX - 1, 0);
	request[len > 0 ? len : 0] = '\0';
	*ret_fd = take_fd(&fd);
	return true;
}

void control_answer(int fd, const char *text)
{
	(void)!send(fd, text, strnlen(text, CONTROL_MAX), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int control_ask(const char *request, struct buf *ret, struct error *err)
{
	struct sockaddr_un address;
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 10 };
	char answer[CONTROL_MAX + 1];
	ssize_t len;
	int r = make_address(CONTROL_SOCKET, &address, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return error_set(err, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "talk to PID 1 through %s", CONTROL_SOCKET);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return error_set(err, errno, "send to PID 1");
	len = recv(fd, answer, CONTROL_MAX, 0);
	if (len <= 0)
		return error_set(err, len < 0 ? errno : EPIPE, "PID 1 gave no answer");
	answer[len] = '\0';
	if (strncmp(answer, "error: ", 7) == 0)
		return error_say(err, EREMOTEIO, "%s", answer + 7);
	buf_puts(ret, answer);
	return 0;
}
