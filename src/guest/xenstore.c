// SPDX-License-Identifier: Apache-2.0
// Requests to XenStore (xen/include/public/io/xs_wire.h): a header of four 32-bit numbers in the machine's order, then the
// request's bytes; the answer has the request's number, and the type XS_ERROR with an error's name where it failed.
#include "xenstore.h"

#include "lib/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define PATIENCE_MS 10000
#define PAYLOAD_MAX 4096 // XENSTORE_PAYLOAD_MAX

enum { XS_READ = 2, XS_WRITE = 11, XS_RM = 13, XS_ERROR = 16 };

struct message {
	uint32_t type, request, transaction, len;
};

// Reads exactly so many bytes.
static int take(const struct xenstore *x, void *to, size_t len, int64_t deadline, struct error *err)
{
	for (size_t done = 0; done < len;) {
		struct pollfd readable = { .fd = x->fd, .events = POLLIN };
		int64_t left = deadline - clock_ms();
		ssize_t got;

		if (left <= 0 || poll(&readable, 1, (int)left) == 0)
			return error_set(err, ETIMEDOUT, "XenStore does not answer");
		got = read(x->fd, (char *)to + done, len - done);
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return error_set(err, got ? errno : EPIPE, "read from XenStore");
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

// The error that its name stands for.
static int refused(const char *path, const struct buf *name, struct error *err)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = { { "ENOENT", ENOENT },
		      { "EACCES", EACCES },
		      { "EINVAL", EINVAL },
		      { "EAGAIN", EAGAIN },
		      { "ENOSPC", ENOSPC } };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strcmp(buf_str(name), codes[i].name) == 0)
			return error_set(err, codes[i].code, "XenStore: %s", path);
	return error_say(err, EIO, "XenStore: %s: %.40s", path, buf_str(name));
}

static int take_answer(const struct xenstore *x, const struct message *asked, const char *path, struct buf *ret,
		       struct error *err)
{
	int64_t deadline = clock_ms() + PATIENCE_MS;
	cleanup_buf struct buf body = BUF_INIT;
	char bytes[PAYLOAD_MAX];
	struct message head;
	int r;

	do { // an answer to an earlier request, which we gave up, is passed over
		r = take(x, &head, sizeof(head), deadline, err);
		if (r == 0 && head.len > PAYLOAD_MAX)
			r = error_say(err, EBADMSG, "XenStore sends an answer of %u bytes", (unsigned)head.len);
		if (r == 0)
			r = take(x, bytes, head.len, deadline, err);
		if (r < 0)
			return r;
	} while (head.request != asked->request);
	buf_add(&body, bytes, head.len);
	if (head.type == XS_ERROR)
		return refused(path, &body, err);
	if (head.type != asked->type)
		return error_say(err, EBADMSG, "XenStore answers %s with type %u", path, (unsigned)head.type);
	if (ret)
		buf_add(ret, bytes, head.len);
	return 0;
}

// `value` follows the path, without a NUL at its end; NULL: none.
static int ask(struct xenstore *x, uint32_t type, const char *path, const char *value, struct buf *ret,
	       struct error *err)
{
	struct message head = { .type = type, .request = ++x->last_request };
	cleanup_buf struct buf bytes = BUF_INIT;

	head.len = (uint32_t)(strlen(path) + 1 + (value ? strlen(value) : 0));
	if (head.len > PAYLOAD_MAX)
		return error_say(err, E2BIG, "%.60s is too long for XenStore", path);
	buf_add(&bytes, &head, sizeof(head));
	buf_add(&bytes, path, strlen(path) + 1);
	buf_puts(&bytes, value ? value : "");
	if (write(x->fd, bytes.data, bytes.len) != (ssize_t)bytes.len)
		return error_set(err, errno, "write to XenStore");
	return take_answer(x, &head, path, ret, err);
}

int xenstore_read(struct xenstore *x, const char *path, struct buf *ret, struct error *err)
{
	return ask(x, XS_READ, path, NULL, ret, err);
}

int xenstore_write(struct xenstore *x, const char *path, const char *value, struct error *err)
{
	return ask(x, XS_WRITE, path, value, NULL, err);
}

int xenstore_remove(struct xenstore *x, const char *path, struct error *err)
{
	int r = ask(x, XS_RM, path, NULL, NULL, err);

	if (r != -ENOENT)
		return r;
	error_clear(err);
	return 0;
}
