// SPDX-License-Identifier: Apache-2.0
// A client of QEMU's machine protocol; see qmp.h.
//
// Theory of operation. QMP is lines of JSON. QEMU greets with {"QMP": …}; after qmp_capabilities it answers each
// command with one object that has "return" or "error", and puts events ({"event": …}) between them whenever it likes.
// We keep one command in flight, so the next object that is no event is its answer; commands carry an id, and an answer
// with another id is refused.
//
// What is on the other side is not trusted: the socket's file may be held by a QEMU that hangs, or by something else.
// So every call has a deadline, which events do not extend; a line may be LINE_MAX_BYTES long and no longer; bytes are
// looked at only up to the newline; and JSON goes through a parser that bounds its own depth. QEMU serves one client at
// a time: a second one gets no greeting until the first has gone, which looks like silence and ends at the deadline
// like it. So nobody holds a connection longer than it takes to say one thing.
#include "qmp.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "net.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE_MAX_BYTES = 1 << 20, READ_BYTES = 4096 };

static const char PEER[] = "QEMU (QMP)";
static const char COMMAND_ID[] = "b2d";

// Reads more into q->in. 0, or an error (ECONNRESET at the end of the stream).
static int receive(struct qmp *q, int64_t deadline, struct error *err)
{
	char chunk[READ_BYTES];

	for (;;) {
		int r = net_wait(q->fd, false, deadline, PEER, err);
		if (r < 0)
			return r;
		ssize_t n = recv(q->fd, chunk, sizeof(chunk), 0);
		if (n > 0) {
			buf_add(&q->in, chunk, (size_t)n);
			return 0;
		}
		if (n == 0)
			return error_say(err, ECONNRESET, "%s closed the connection", PEER);
		if (errno != EAGAIN && errno != EINTR)
			return error_set(err, errno, "read from %s", PEER);
	}
}

static void drop_line(struct qmp *q, size_t len)
{
	memmove(q->in.data, q->in.data + len, q->in.len - len);
	q->in.len -= len;
	q->in.data[q->in.len] = '\0';
}

// The next line as a JSON object.
static int next_object(struct qmp *q, int64_t deadline, json_t **ret, struct error *err)
{
	const char *end;
	json_t *object;

	while (!q->in.len || !(end = memchr(q->in.data, '\n', q->in.len))) {
		if (q->in.len > LINE_MAX_BYTES)
			return error_say(err, EPROTO, "%s sends a line without end; is something else on its socket?",
					 PEER);
		int r = receive(q, deadline, err);
		if (r < 0)
			return r;
	}
	size_t len = (size_t)(end - q->in.data) + 1;
	int r = json_read_text(q->in.data, len - 1, PEER, &object, err);
	drop_line(q, len);
	if (r < 0)
		return error_say(err, EPROTO, "%s does not speak its protocol; is something else on its socket?", PEER);
	if (!json_is_object(object)) {
		json_decref(object);
		return error_say(err, EPROTO, "%s sent something that is no object", PEER);
	}
	*ret = object;
	return 0;
}

// The next object that is no event.
static int next_answer(struct qmp *q, int64_t deadline, json_t **ret, struct error *err)
{
	for (;;) {
		cleanup_json json_t *object = NULL;
		int r = next_object(q, deadline, &object, err);
		if (r < 0)
			return r;
		if (!json_object_get(object, "event")) {
			*ret = take_ptr(object);
			return 0;
		}
		// A flood of events must not keep us for ever either.
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "%s did not answer in time", PEER);
	}
}

// Sends what is left of the text; the first bytes take a copy of `passed` (-1: none) with them.
static ssize_t send_some(const struct qmp *q, const struct buf *text, size_t sent, int passed)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = text->data + sent, .iov_len = text->len - sent };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed >= 0 && !sent) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_len = CMSG_LEN(sizeof(passed));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	return sendmsg(q->fd, &message, MSG_NOSIGNAL);
}

static int send_all(struct qmp *q, const struct buf *text, int passed, int64_t deadline, struct error *err)
{
	for (size_t sent = 0; sent < text->len;) {
		int r = net_wait(q->fd, true, deadline, PEER, err);
		if (r < 0)
			return r;
		ssize_t n = send_some(q, text, sent, passed);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return error_set(err, errno, "write to %s", PEER);
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int check_answer(const json_t *answer, const char *command, json_t **ret_result, struct error *err)
{
	json_t *result = json_object_get(answer, "return");
	const json_t *failure = json_object_get(answer, "error");

	if (json_is_object(failure))
		return error_say(err, EPROTO, "%s refused \"%s\": %.200s", PEER, command,
				 json_str_at(failure, "desc", "no reason given"));
	if (!result || strcmp(json_str_at(answer, "id", ""), COMMAND_ID) != 0)
		return error_say(err, EPROTO, "%s did not answer the question \"%s\"", PEER, command);
	if (ret_result)
		*ret_result = json_incref(result);
	return 0;
}

// One command and its answer; takes the reference of arguments (NULL: none).
static int execute(struct qmp *q, const char *command, json_t *arguments, int passed, int timeout_ms,
		   json_t **ret_result, struct error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;
	cleanup_json json_t *request = json_object();
	cleanup_buf struct buf line = BUF_INIT;
	cleanup_json json_t *answer = NULL;

	json_object_set_new(request, "execute", json_string(command));
	if (arguments)
		json_object_set_new(request, "arguments", arguments);
	json_object_set_new(request, "id", json_string(COMMAND_ID));
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		return error_say(err, EINVAL, "\"%s\" cannot be said in JSON", command);
	buf_printf(&line, "%s\n", text);
	int r = send_all(q, &line, passed, deadline, err);
	if (r == 0)
		r = next_answer(q, deadline, &answer, err);
	return r < 0 ? r : check_answer(answer, command, ret_result, err);
}

int qmp_execute(struct qmp *q, const char *command, int timeout_ms, json_t **ret_result, struct error *err)
{
	return execute(q, command, NULL, -1, timeout_ms, ret_result, err);
}

int qmp_execute_with(struct qmp *q, const char *command, json_t *arguments, int timeout_ms, json_t **ret_result,
		     struct error *err)
{
	return execute(q, command, arguments, -1, timeout_ms, ret_result, err);
}

int qmp_give_fd(struct qmp *q, int fd, const char *name, int timeout_ms, struct error *err)
{
	return execute(q, "getfd", json_pack("{s:s}", "fdname", name), fd, timeout_ms, NULL, err);
}

int qmp_monitor(struct qmp *q, const char *line, int timeout_ms, char **ret_output, struct error *err)
{
	cleanup_json json_t *result = NULL;
	int r = qmp_execute_with(q, "human-monitor-command", json_pack("{s:s}", "command-line", line), timeout_ms,
				 &result, err);

	if (r < 0)
		return r;
	if (!json_is_string(result))
		return error_say(err, EPROTO, "%s did not answer the question \"%.200s\"", PEER, line);
	*ret_output = xstrdup(json_string_value(result));
	return 0;
}

// "7.2.22 (Debian 1:7.2+dfsg-7)"
static char *version_of(const json_t *greeting)
{
	const json_t *version = json_at(greeting, "QMP.version");

	return xasprintf("%d.%d.%d (%.100s)", (int)json_int_at(version, "qemu.major", 0),
			 (int)json_int_at(version, "qemu.minor", 0), (int)json_int_at(version, "qemu.micro", 0),
			 json_str_at(version, "package", ""));
}

int qmp_open_fd(struct qmp *q, int fd, int timeout_ms, struct error *err)
{
	cleanup_json json_t *greeting = NULL;

	q->fd = fd;
	int r = next_answer(q, clock_ms() + timeout_ms, &greeting, err);
	if (r < 0)
		return r;
	if (!json_is_object(json_object_get(greeting, "QMP")))
		return error_say(err, EPROTO, "%s did not greet; is something else on its socket?", PEER);
	q->version = version_of(greeting);
	return qmp_execute(q, "qmp_capabilities", timeout_ms, NULL, err);
}

int qmp_open(struct qmp *q, const char *socket_path, int timeout_ms, struct error *err)
{
	int fd;
	int r = net_connect_unix(socket_path, clock_ms() + timeout_ms, &fd, err);

	return r < 0 ? r : qmp_open_fd(q, fd, timeout_ms, err);
}

void qmp_close(struct qmp *q)
{
	if (q->fd >= 0)
		close(take_fd(&q->fd));
	buf_done(&q->in);
	free(take_ptr(q->version));
}
