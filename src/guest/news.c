// SPDX-License-Identifier: Apache-2.0
// News of network addresses.
#include "news.h"

#include "lib/macros.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

int news_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	cleanup_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return take_fd(&fd);
}

void news_wait(int fd, int timeout_ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char message[4096];

	if (poll(&readable, 1, timeout_ms) > 0)
		while (recv(fd, message, sizeof(message), 0) > 0)
			;
}
