// SPDX-License-Identifier: Apache-2.0
// A client of QEMU's machine protocol (QMP): one command at a time over a UNIX socket.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <jansson.h>

struct qmp {
	int fd;
	struct buf in; // what was received and not yet taken
	char *version; // of QEMU, as its greeting tells: "7.2.22 (Debian 1:7.2+dfsg-7)"
};

#define QMP_INIT         \
	{                \
		.fd = -1 \
	}
#define cleanup_qmp CLEANUP(qmp_close)

// Connects, reads the greeting and leaves the negotiation mode. ECONNREFUSED or ENOENT: no QEMU is there. ETIMEDOUT: it
// is there and silent. EPROTO: what answers does not speak QMP.
int qmp_open(struct qmp *q, const char *socket_path, int timeout_ms, struct error *err) MUST_CHECK;
// The same on a connected fd, which is owned from now on.
int qmp_open_fd(struct qmp *q, int fd, int timeout_ms, struct error *err) MUST_CHECK;
// Runs a command without arguments. On success *ret_result (when not NULL) is the value of "return"; the caller
// decrefs. QEMU's own error: EPROTO, with its description. ECONNRESET: QEMU closed the connection (what `quit` ends
// with).
int qmp_execute(struct qmp *q, const char *command, int timeout_ms, json_t **ret_result, struct error *err) MUST_CHECK;
// The same with arguments, an object whose reference is taken.
int qmp_execute_with(struct qmp *q, const char *command, json_t *arguments, int timeout_ms, json_t **ret_result,
		     struct error *err) MUST_CHECK;
// Gives QEMU a copy of a file descriptor, which it knows by `name` from then on.
int qmp_give_fd(struct qmp *q, int fd, const char *name, int timeout_ms, struct error *err) MUST_CHECK;
// Runs a command of the human monitor; what it prints (nothing, when all is well with most) is the result. The caller
// frees.
int qmp_monitor(struct qmp *q, const char *line, int timeout_ms, char **ret_output, struct error *err) MUST_CHECK;
void qmp_close(struct qmp *q);
