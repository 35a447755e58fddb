// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of devices that come and go.
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>

// Borrowed from the message; NULL when a field is not there.
struct uevent {
	const char *action, *subsystem, *devpath, *modalias, *interface, *devname;
};

// A socket that gets the kernel's (not another process') messages.
int uevent_open(int *ret_fd, struct error *err) MUST_CHECK;
// Receives one message into `buf`. 1: there is one; 0: no more for now.
int uevent_receive(int fd, char *buf, size_t size, struct uevent *ret);
// Splits a message ("add@/devices/…", then NUL-ended KEY=VALUE). False: not a kernel's device message.
bool uevent_parse(char *message, size_t len, struct uevent *ret);
