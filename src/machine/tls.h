// SPDX-License-Identifier: Apache-2.0
// A connection over mutual TLS with a deadline: what questions to an engine go through.
#pragma once

#include "engine.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
	char *peer; // "HOST:PORT"
	int64_t deadline; // of clock_ms; for every call that waits, may be changed in between
};

#define TLS_INIT         \
	{                \
		.fd = -1 \
	}
#define cleanup_tls CLEANUP(tls_close)

// ETIMEDOUT at the deadline; EACCES when TLS fails: another CA, another name, a certificate that the peer does not take.
int tls_open(struct tls *t, const struct engine_address *at, int64_t deadline, struct error *err) MUST_CHECK;
int tls_write(struct tls *t, const char *text, struct error *err) MUST_CHECK;
// At least one byte; 0 at the end. Unless it shall wait: EAGAIN when nothing is there.
int tls_read(struct tls *t, bool wait, void *into, size_t size, struct error *err) MUST_CHECK;
void tls_close(struct tls *t);
