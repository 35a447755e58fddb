// SPDX-License-Identifier: Apache-2.0
// Whatever is behind a QMP socket: greeting, answers, rubbish.
#include "lib/json.h"
#include "machine/qmp.h"

#include <stdint.h>
#include <sys/socket.h>

enum { TIMEOUT_MS = 50, INPUT_MAX = 128 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_json json_t *answer = NULL;
	int ends[2];

	// More would not fit into the socket without somebody reading.
	if (size > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		return 0;
	if (send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size) {
		shutdown(ends[1], SHUT_WR);
		if (qmp_open_fd(&q, ends[0], TIMEOUT_MS, NULL) == 0 &&
		    qmp_execute(&q, "query-status", TIMEOUT_MS, &answer, NULL) == 0)
			json_str_at(answer, "status", "");
	} else {
		close(ends[0]);
	}
	close(ends[1]);
	return 0;
}
