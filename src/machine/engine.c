// SPDX-License-Identifier: Apache-2.0
// A question to a Docker engine over mutual TLS; see engine.h.
//
// The request is HTTP/1.0, so that the answer ends with the connection and comes without chunks.
#include "engine.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/json.h"
#include "store.h"
#include "tls.h"

#include <errno.h>
#include <string.h>

enum { ANSWER_MAX = 256 << 10 };

static int read_all(struct tls *t, size_t max, struct buf *into, struct error *err)
{
	char chunk[4096];
	int n;

	while ((n = tls_read(t, true, chunk, sizeof(chunk), err)) > 0) {
		buf_add(into, chunk, (size_t)n);
		if (into->len > max)
			return error_say(err, EPROTO, "%s sends too much for an engine", t->peer);
	}
	return n == -ECONNRESET && into->len ? 0 : n; // closed without a goodbye, after the answer
}

// Asks; the answer follows.
static int ask(struct tls *t, const struct engine_address *at, const char *path, int64_t deadline, struct error *err)
{
	cleanup_free char *request =
		xasprintf("GET %s HTTP/1.0\r\nHost: docker\r\nUser-Agent: boot2docker\r\n\r\n", path);
	int r = tls_open(t, at, deadline, err);

	return r == 0 ? tls_write(t, request, err) : r;
}

int engine_parse_answer(const char *answer, size_t len, const char **ret_body, struct error *err)
{
	const char *start = memmem(answer, len, "\r\n\r\n", 4);

	if (len < 12 || strncmp(answer, "HTTP/1.", 7) != 0 || !start)
		return error_say(err, EPROTO, "what answers is not a Docker engine");
	if (memcmp(answer + 9, "200", 3) != 0)
		return error_say(err, EPROTO, "the engine answers with status %.3s", answer + 9);
	*ret_body = start + 4;
	return 0;
}

int engine_parse_version(const char *answer, size_t len, char **ret_version, struct error *err)
{
	cleanup_json json_t *body = NULL;
	const char *start;
	const char *version;

	int r = engine_parse_answer(answer, len, &start, err);
	if (r < 0)
		return r;
	if (json_read_text(start, len - (size_t)(start - answer), "the engine's answer", &body, err) < 0)
		return -EPROTO;
	version = json_str_at(body, "Version", NULL);
	if (!version || !*version)
		return error_say(err, EPROTO, "the engine does not tell its version");
	// Without what a distribution appends ("+dfsg1"): the version that people compare is Docker's.
	*ret_version = xstrndup(version, strcspn(version, "+"));
	return 0;
}

static int get(const struct engine_address *at, const char *path, size_t max, int64_t deadline, struct buf *ret_answer,
	       struct error *err)
{
	cleanup_tls struct tls t = TLS_INIT;
	int r = ask(&t, at, path, deadline, err);

	return r == 0 ? read_all(&t, max, ret_answer, err) : r;
}

int engine_get(const struct engine_address *at, const char *path, size_t max, int64_t deadline, json_t **ret,
	       struct error *err)
{
	cleanup_buf struct buf answer = BUF_INIT;
	const char *body;

	int r = get(at, path, max, deadline, &answer, err);
	if (r == 0)
		r = engine_parse_answer(buf_str(&answer), answer.len, &body, err);
	if (r == 0)
		r = json_read_text(body, answer.len - (size_t)(body - answer.data), "the engine's answer", ret, err);
	return r < 0 ? error_wrap(err, "%s:%d", at->host, at->port) : 0;
}

int engine_follow(struct tls *t, const struct engine_address *at, const char *path, int64_t deadline, struct error *err)
{
	char head[4096];
	const char *body;
	size_t len = 0;

	int r = ask(t, at, path, deadline, err);
	if (r < 0)
		return r;
	// By the byte: what comes behind the head is the caller's.
	while (len < sizeof(head) && !(len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)) {
		r = tls_read(t, true, head + len, 1, err);
		if (r <= 0)
			return r < 0 ? r : error_say(err, ECONNRESET, "%s closed the connection", t->peer);
		len++;
	}
	r = engine_parse_answer(head, len, &body, err);
	return r < 0 ? error_wrap(err, "%s", t->peer) : 0;
}

int engine_version(const struct engine_address *at, int64_t deadline, char **ret_version, struct error *err)
{
	cleanup_buf struct buf answer = BUF_INIT;
	int r = get(at, "/version", ANSWER_MAX, deadline, &answer, err);

	if (r < 0)
		return r;
	r = engine_parse_version(buf_str(&answer), answer.len, ret_version, err);
	return r < 0 ? error_wrap(err, "%s:%d", at->host, at->port) : r;
}

int engine_parse_ping(const char *answer, size_t len, struct error *err)
{
	const char *body;
	int r = engine_parse_answer(answer, len, &body, err);

	if (r < 0)
		return r;
	return strcmp(body, "OK") == 0 ? 0 : error_say(err, EPROTO, "what answers is not a Docker engine");
}

int engine_ping(const struct engine_address *at, int64_t deadline, struct error *err)
{
	cleanup_buf struct buf answer = BUF_INIT;
	int r = get(at, "/_ping", ANSWER_MAX, deadline, &answer, err);

	if (r < 0)
		return r;
	r = engine_parse_ping(buf_str(&answer), answer.len, err);
	return r < 0 ? error_wrap(err, "%s:%d", at->host, at->port) : 0;
}

void machine_engine_init(struct machine_engine *e, const struct machine *m)
{
	e->ca = machine_path(m, "ca.pem");
	e->cert = machine_path(m, "cert.pem");
	e->key = machine_path(m, "key.pem");
	e->address = (struct engine_address){ .host = machine_ip(m),
					      .port = machine_engine_port(m),
					      .ca_cert = e->ca,
					      .client_cert = e->cert,
					      .client_key = e->key };
}

void machine_engine_done(struct machine_engine *e)
{
	free(e->ca);
	free(e->cert);
	free(e->key);
	*e = (struct machine_engine){ 0 };
}

int machine_engine_version(const struct machine *m, int64_t deadline, char **ret_version, struct error *err)
{
	CLEANUP(machine_engine_done) struct machine_engine e;

	machine_engine_init(&e, m);
	return engine_version(&e.address, deadline, ret_version, err);
}

int machine_engine_ping(const struct machine *m, int64_t deadline, struct error *err)
{
	CLEANUP(machine_engine_done) struct machine_engine e;

	machine_engine_init(&e, m);
	return engine_ping(&e.address, deadline, err);
}
