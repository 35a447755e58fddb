// SPDX-License-Identifier: Apache-2.0
// Children of PID 1: forking with the signals put back as programs expect them.
#pragma once

#include "lib/error.h"

#include <sys/types.h>

// The exit status by which a child says that what it was started for is not there, so that it is not started again.
#define CHILD_NOT_HERE 77

// fork(). In the child all signals are at their defaults and none is blocked.
pid_t child_fork(struct error *err) MUST_CHECK;
// How a child ended, in words: "exit status 1", "killed by SIGKILL". The caller frees.
char *child_status_text(int wait_status);
