// SPDX-License-Identifier: Apache-2.0
// A client of QEMU's machine protocol (QMP): one command at a time over a UNIX socket.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <jansson.h>

struct qmp {
	int fd;
	struct buf in; // what was received and not yet taken
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
void qmp_close(struct qmp *q);
