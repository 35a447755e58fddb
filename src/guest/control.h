// SPDX-License-Identifier: Apache-2.0
// Talking to PID 1: a socket, one request and one answer of text a connection. Only root is answered, except for status.
//
//   ACTION [SECONDS]   poweroff, reboot or halt, at once or later     -> "ok"
//   cancel             forgets a planned one                          -> "ok", "nothing planned"
//   start NAME         a service                                      -> "ok"
//   stop NAME          asks it to end                                 -> "ok"
//   restart NAME                                                      -> "ok"
//   signal NAME NUMBER sends a signal                                 -> "ok"
//   status NAME        -> "running PID", "stopped", "stopping", "paused"
// An answer that begins with "error: " says why not.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <stdbool.h>

#define CONTROL_SOCKET "/run/boot2docker/control"
#define CONTROL_MAX 256 // bytes of a request or an answer

int control_listen(const char *path, int *ret_fd, struct error *err) MUST_CHECK;
// Takes the next connection: its request in `request` (CONTROL_MAX bytes, NUL-terminated), whether root sent it, and the fd for
// the answer, which the caller closes. False: none.
bool control_accept(int listener, char *request, bool *ret_is_root, int *ret_fd);
void control_answer(int fd, const char *text);

// The other end: sends a request and reads the answer; an answer "error: …" becomes an error.
int control_ask(const char *request, struct buf *ret, struct error *err) MUST_CHECK;
