// SPDX-License-Identifier: Apache-2.0
// A connection over mutual TLS with a deadline; see tls.h.
#include "tls.h"

#include "lib/alloc.h"
#include "lib/pki.h"
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

void tls_close(struct tls *t)
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
	if (verify != X509_V_OK) {
		cleanup_free char *text = pki_verify_reason(verify, time(NULL));

		return error_say(err, code, "%s %s: %s", what, t->peer, text);
	}
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

int tls_write(struct tls *t, const char *text, struct error *err)
{
	int r = 0, n;

	while (r == 0 && (n = SSL_write(t->ssl, text, (int)strlen(text))) <= 0)
		r = tls_retry(t, n, "write to", err);
	return r;
}

int tls_read(struct tls *t, bool wait, void *into, size_t size, struct error *err)
{
	for (;;) {
		errno = 0;
		int n = SSL_read(t->ssl, into, (int)size);
		if (n > 0)
			return n;
		int why = SSL_get_error(t->ssl, n);
		if (why == SSL_ERROR_ZERO_RETURN)
			return 0;
		if (!wait && (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE))
			return error_say(err, EAGAIN, "%s says nothing now", t->peer);
		int r = tls_retry(t, n, "read from", err);
		if (r < 0)
			return r;
	}
}

int tls_open(struct tls *t, const struct engine_address *at, int64_t deadline, struct error *err)
{
	t->deadline = deadline;
	t->peer = xasprintf("%s:%d", at->host, at->port);
	int r = tls_load(t, at, err);
	if (r == 0)
		r = net_connect_tcp(at->host, at->port, deadline, &t->fd, err);
	return r == 0 ? tls_handshake(t, at->host, err) : r;
}
