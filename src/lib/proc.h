// SPDX-License-Identifier: Apache-2.0
// Running other programs: argument vectors (never a shell line), a deadline, and errors that come back.
#pragma once

#include "buf.h"
#include "error.h"

#include <stdbool.h>
#include <sys/types.h>

enum proc_stdio {
	PROC_NULL, // /dev/null (the default)
	PROC_INHERIT, // the caller's own
	PROC_CAPTURE, // output: into `out` or `err_out`
	PROC_DATA, // input: the bytes of `input`
	PROC_FD, // the fd given
};

struct proc_spec {
	const char *const *argv; // argv[0] is looked up on PATH; NULL-terminated
	const char *const *env; // NULL: the caller's environment
	const char *cwd; // NULL: the caller's
	enum proc_stdio in, out, errs; // what fd 0, 1, 2 are
	const void *input; // for in == PROC_DATA
	size_t input_len;
	int in_fd, out_fd, err_fd; // for PROC_FD; not closed by proc
	struct buf *out_buf, *err_buf; // for PROC_CAPTURE; may be the same buf
	size_t capture_max; // more output than this is dropped; 0: 16 MiB
	int timeout_ms; // 0: 10 minutes; -1: none, for programs that a person uses. At the deadline it is killed: ETIMEDOUT
	bool own_group; // a process group of its own, killed as a whole at the deadline; not for programs on a terminal
	bool own_session; // no terminal's signals reach it, and it may outlive the caller
	bool die_with_parent; // killed when we end, however that happens; with own_group the group as a whole
	void (*child_setup)(void *arg); // runs in the child before exec; only async-signal-safe calls
	void *child_arg;
};

// Runs to the end. Returns the exit status (0..255), or -errno with err set: the program could not be started
// (ENOENT names it), died by a signal (ECHILD, the message names the signal), or the deadline passed.
int proc_run(const struct proc_spec *spec, struct error *err) MUST_CHECK;

// proc_run, where any exit status other than 0 is an error (EPROTO) whose message has the last line of stderr.
int proc_check(const struct proc_spec *spec, struct error *err) MUST_CHECK;

// proc_check for the plain case: output to `ret_out` when not NULL (white space at its end dropped), 60 s.
int proc_output(const char *const *argv, struct buf *ret_out, struct error *err) MUST_CHECK;

// Starts and returns the pid; exec errors come back here. Not allowed are PROC_CAPTURE, PROC_DATA, and a group that dies with us.
pid_t proc_spawn(const struct proc_spec *spec, struct error *err) MUST_CHECK;
// Waits for a child until the deadline (-1: none). Returns as proc_run; on ETIMEDOUT the child still runs.
int proc_wait(pid_t pid, const char *name, int timeout_ms, struct error *err) MUST_CHECK;

// The path of a program on PATH (also tries /usr/sbin and /sbin), or -ENOENT naming it. The caller frees.
int proc_find(const char *program, char **ret_path, struct error *err) MUST_CHECK;
