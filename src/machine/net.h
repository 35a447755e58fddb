// SPDX-License-Identifier: Apache-2.0
// Small pieces of TCP and UNIX-socket work with deadlines. Deadlines are points of clock_ms().
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

// Waits until the fd is readable (or writable). ETIMEDOUT at the deadline; `what` names the peer in the error.
int net_wait(int fd, bool for_write, int64_t deadline, const char *what, struct error *err) MUST_CHECK;
// Connects to a numeric address or name; the fd is non-blocking and close-on-exec.
int net_connect_tcp(const char *host, int port, int64_t deadline, int *ret_fd, struct error *err) MUST_CHECK;
// The same to a UNIX socket, whose path may be longer than the 107 bytes that fit into an address.
int net_connect_unix(const char *path, int64_t deadline, int *ret_fd, struct error *err) MUST_CHECK;
// True when nobody listens on the port of 127.0.0.1 and it can be listened on.
bool net_port_is_free(int port);
// The first free port from `first` on for which `taken` (may be NULL) is not true either.
int net_free_port(int first, bool (*taken)(int port, const void *arg), const void *arg, int *ret,
		  struct error *err) MUST_CHECK;
// Connects and reads the first bytes the server sends; success when they begin with `prefix` ("SSH-").
int net_check_banner(const char *host, int port, const char *prefix, int64_t deadline, struct error *err) MUST_CHECK;
