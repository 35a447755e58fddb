// SPDX-License-Identifier: Apache-2.0
// Commands on a machine, through the system's ssh with the machine's key.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/strv.h"

struct machine;

// The options that ssh and scp have in common: how to connect, with the machine's key; not the port.
void remote_options(const struct machine *m, struct strv *ret);
// "ssh OPTIONS… USER@HOST": what follows is the command. The user's own ssh configuration has no part in it.
void remote_command(const struct machine *m, struct strv *ret);

// "Error: Cannot run SSH command: …" unless the machine runs.
int remote_require_running(struct machine *m, struct error *err) MUST_CHECK;

// Appends a section for the machine to an ssh_config, so that its name can stand for it in ssh, scp, rsync and sshfs.
void remote_config(const struct machine *m, struct buf *ret);
// Puts the text where -F can read it as long as this process lives and the fd is open. The caller frees the path.
int remote_config_open(const struct buf *text, int *ret_fd, char **ret_path, struct error *err) MUST_CHECK;
// "[user@]machine:path" as scp reads it: a colon before any slash. *ret_machine is NULL for a path of this host; "localhost:"
// means that, too. What is before the machine's name ("user@") goes to *ret_user. The caller frees all three.
void remote_split(const char *place, char **ret_user, char **ret_machine, char **ret_path);

struct remote_run {
	const char *command; // for the shell of the user docker
	const void *input; // NULL: none
	size_t input_len;
	int timeout_ms;
	struct buf *output; // appended; NULL: dropped
};

// Runs it; an exit status other than 0 is an error with the last line of stderr.
int remote_run(const struct machine *m, const struct remote_run *run, struct error *err) MUST_CHECK;
