// SPDX-License-Identifier: Apache-2.0
// Running the host's programs (qemu, qemu-img, ssh-keygen): logged with -D, and what interrupts a command.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/strv.h"

// Appends a word as a shell has to see it: in single quotes where there is need.
void run_quote(struct buf *line, const char *word);
// Logs a command line at debug level, quoted so that it can be pasted into a shell.
void run_log(const char *const *argv);
// Runs to the end; an exit status other than 0 is an error with the last line of stderr. Bounded by timeout_ms.
int run_check(const char *const *argv, int timeout_ms, struct error *err) MUST_CHECK;
// The same; what it prints is appended to ret.
int run_output(const char *const *argv, int timeout_ms, struct buf *ret, struct error *err) MUST_CHECK;
// Runs it in the user's terminal, for as long as it takes; returns its exit status.
int run_for_user(const struct strv *argv, struct error *err) MUST_CHECK;
// ENOENT, naming the program and what to do, when it is not installed.
int run_require(const char *program, const char *hint, struct error *err) MUST_CHECK;

// From now on Ctrl-C, SIGTERM and SIGHUP do not end the program: interrupt_check tells of them, so that the command can
// clean up.
void interrupt_catch(void);
// EINTR after such a signal.
int interrupt_check(struct error *err) MUST_CHECK;
