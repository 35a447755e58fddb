// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of devices that come and go, through its netlink socket.
#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

int uevent_open(int *ret_fd, struct error *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	cleanup_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int size = 4 * 1024 * 1024;

	if (fd < 0)
		return error_set(err, errno, "open the kernel's device messages");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "listen to the kernel's device messages");
	*ret_fd = take_fd(&fd);
	return 0;
}

static void take_field(char *field, struct uevent *ret)
{
	static const struct {
		const char *key;
		size_t offset;
	} keys[] = {
		{ "ACTION=", offsetof(struct uevent, action) },
		{ "SUBSYSTEM=", offsetof(struct uevent, subsystem) },
		{ "DEVPATH=", offsetof(struct uevent, devpath) },
		{ "MODALIAS=", offsetof(struct uevent, modalias) },
		{ "INTERFACE=", offsetof(struct uevent, interface) },
		{ "DEVNAME=", offsetof(struct uevent, devname) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strlen(keys[i].key);

		if (strncmp(field, keys[i].key, len) == 0)
			*(const char **)((char *)ret + keys[i].offset) = field + len;
	}
}

bool uevent_parse(char *message, size_t len, struct uevent *ret)
{
	*ret = (struct uevent){ .action = NULL };
	if (len == 0 || message[len - 1] != '\0')
		return false;
	for (char *p = message + strlen(message) + 1; p < message + len; p += strlen(p) + 1)
		take_field(p, ret);
	return ret->action && ret->subsystem;
}

int uevent_receive(int fd, char *buf, size_t size, struct uevent *ret)
{
	struct sockaddr_nl from = { .nl_family = 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr header = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };

	for (;;) {
		ssize_t len = recvmsg(fd, &header, 0);

		if (len < 0 && errno != ENOBUFS && errno != EINTR)
			return 0;
		if (len > 0 && from.nl_pid == 0 && uevent_parse(buf, (size_t)len, ret))
			return 1;
	}
}
