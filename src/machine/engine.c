// SPDX-License-Identifier: Apache-2.0
// A question to a Docker engine over mutual TLS; see engine.h.
//
// The request is HTTP/1.0, so that the answer ends with the connection and comes without chunks.
#include "engine.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "net.h"
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { ANSWER_MAX = 256 << 10 };

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
	char *peer; // "HOST:PORT"
	int64_t deadline;
};

static void tls_done(struct tls *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->context);
	if (t->fd >= 0)
		close(take_fd(&t->fd));
	free(t->peer);
}

// OpenSSL's reason as ours. Certificate trouble has its own words.
static int tls_error(const struct tls *t, int code, const char *what, struct error *err)
{
	unsigned long why = ERR_get_error();
	long verify = t->ssl ? SSL_get_verify_result(t->ssl) : X509_V_OK;
	char reason[160];

	ERR_clear_error();
	if (verify != X509_V_OK)
		return error_say(err, code, "%s %s: %s", what, t->peer, X509_verify_cert_error_string(verify));
	if (!why)
		return error_say(err, ECONNRESET, "%s %s: the connection was closed", what, t->peer);
	ERR_error_string_n(why, reason, sizeof(reason));
	const char *text = ERR_reason_error_string(why);
	return error_say(err, code, "%s %s: %s", what, t->peer, text ? text : reason);
}

static int tls_load(struct tls *t, const struct engine_address *at, struct error *err)
{
	t->context = SSL_CTX_new(TLS_client_method());
	if (!t->context)
		return tls_error(t, ENOMEM, "prepare TLS for", err);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
	// A server that closes without a goodbye; a cut answer is no JSON, so nobody gains from it.
	SSL_CTX_set_options(t->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (SSL_CTX_load_verify_locations(t->context, at->ca_cert, NULL) != 1)
		return tls_error(t, EACCES, "read the CA certificate for", err);
	if (SSL_CTX_use_certificate_chain_file(t->context, at->client_cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(t->context, at->client_key, SSL_FILETYPE_PEM) != 1)
		return tls_error(t, EACCES, "read the client certificate for", err);
	return 0;
}

// What to do about an SSL call that did not succeed: 0 = try again, else the error.
static int tls_retry(const struct tls *t, int result, const char *what, struct error *err)
{
	int why = SSL_get_error(t->ssl, result);

	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return net_wait(t->fd, why == SSL_ERROR_WANT_WRITE, t->deadline, t->peer, err);
	if (why == SSL_ERROR_SYSCALL && errno)
		return error_set(err, errno, "%s %s", what, t->peer);
	return tls_error(t, EACCES, what, err);
}

static int tls_handshake(struct tls *t, const char *host, struct error *err)
{
	struct in6_addr ignored;
	bool is_address = inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
	X509_VERIFY_PARAM *expect;
	int r = 0, done;

	t->ssl = SSL_new(t->context);
	if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1)
		return tls_error(t, ENOMEM, "prepare TLS for", err);
	expect = SSL_get0_param(t->ssl);
	if (is_address ? X509_VERIFY_PARAM_set1_ip_asc(expect, host) != 1 : SSL_set1_host(t->ssl, host) != 1)
		return tls_error(t, EINVAL, "prepare TLS for", err);
	errno = 0;
	while (r == 0 && (done = SSL_connect(t->ssl)) != 1)
		r = tls_retry(t, done, "TLS with", err);
	return r;
}

static int tls_write(struct tls *t, const char *text, struct error *err)
{
	int r = 0, n;

	while (r == 0 && (n = SSL_write(t->ssl, text, (int)strlen(text))) <= 0)
		r = tls_retry(t, n, "write to", err);
	return r;
}

// Reads until the peer closes.
static int tls_read_all(struct tls *t, struct buf *into, struct error *err)
{
	char chunk[4096];

	for (;;) {
		errno = 0;
		int n = SSL_read(t->ssl, chunk, sizeof(chunk));
		if (n > 0) {
			buf_add(into, chunk, (size_t)n);
			if (into->len > ANSWER_MAX)
				return error_say(err, EPROTO, "%s sends too much for an engine", t->peer);
			continue;
		}
		if (SSL_get_error(t->ssl, n) == SSL_ERROR_ZERO_RETURN)
			return 0;
		int r = tls_retry(t, n, "read from", err);
		if (r < 0)
			return r == -ECONNRESET && into->len ? 0 : r; // closed without a goodbye, after the answer
	}
}

int engine_parse_version(const char *answer, size_t len, char **ret_version, struct error *err)
{
	cleanup_json json_t *body = NULL;
	const char *start = memmem(answer, len, "\r\n\r\n", 4);
	const char *version;

	if (len < 12 || strncmp(answer, "HTTP/1.", 7) != 0 || !start)
		return error_say(err, EPROTO, "what answers is not a Docker engine");
	if (memcmp(answer + 9, "200", 3) != 0)
		return error_say(err, EPROTO, "the engine answers with status %.3s", answer + 9);
	start += 4;
	if (json_read_text(start, len - (size_t)(start - answer), "the engine's answer", &body, err) < 0)
		return -EPROTO;
	version = json_str_at(body, "Version", NULL);
	if (!version || !*version)
		return error_say(err, EPROTO, "the engine does not tell its version");
	// Without what a distribution appends ("+dfsg1"): the version that people compare is Docker's.
	*ret_version = xstrndup(version, strcspn(version, "+"));
	return 0;
}

int engine_version(const struct engine_address *at, int64_t deadline, char **ret_version, struct error *err)
{
	CLEANUP(tls_done) struct tls t = { .fd = -1, .deadline = deadline };
	cleanup_buf struct buf answer = BUF_INIT;

	t.peer = xasprintf("%s:%d", at->host, at->port);
	int r = tls_load(&t, at, err);
	if (r == 0)
		r = net_connect_tcp(at->host, at->port, deadline, &t.fd, err);
	if (r == 0)
		r = tls_handshake(&t, at->host, err);
	if (r == 0)
		r = tls_write(&t, "GET /version HTTP/1.0\r\nHost: docker\r\nUser-Agent: boot2docker\r\n\r\n", err);
	if (r == 0)
		r = tls_read_all(&t, &answer, err);
	if (r < 0)
		return r;
	r = engine_parse_version(buf_str(&answer), answer.len, ret_version, err);
	return r < 0 ? error_wrap(err, "%s", t.peer) : r;
}

int machine_engine_version(const struct machine *m, int64_t deadline, char **ret_version, struct error *err)
{
	cleanup_free char *ca = machine_path(m, "ca.pem");
	cleanup_free char *cert = machine_path(m, "cert.pem");
	cleanup_free char *key = machine_path(m, "key.pem");
	struct engine_address at = { .host = machine_ip(m),
				     .port = machine_engine_port(m),
				     .ca_cert = ca,
				     .client_cert = cert,
				     .client_key = key };

	return engine_version(&at, deadline, ret_version, err);
}
