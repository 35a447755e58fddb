// SPDX-License-Identifier: Apache-2.0
// A question to a Docker engine over mutual TLS: is it there, is it ours, which version is it.
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdint.h>

struct machine;
struct tls;

struct engine_address {
	const char *host;
	int port;
	const char *ca_cert, *client_cert, *client_key; // paths
};

// Asks GET /version; the server's certificate must be signed by the CA and be valid for `host`. *ret_version is
// "26.1.5"; the caller frees. ETIMEDOUT at the deadline (of clock_ms); EPROTO when what answers is not an engine;
// EACCES when TLS fails.
int engine_version(const struct engine_address *at, int64_t deadline, char **ret_version, struct error *err) MUST_CHECK;
// The version in an HTTP answer to GET /version, whole as received. The caller frees.
int engine_parse_version(const char *answer, size_t len, char **ret_version, struct error *err) MUST_CHECK;
// Asks GET /_ping, as engine_version with the same errors. It is the cheaper question: for /version the engine runs crun and docker-init.
int engine_ping(const struct engine_address *at, int64_t deadline, struct error *err) MUST_CHECK;
// Whether an HTTP answer to GET /_ping, whole as received, is an engine's: 0, or EPROTO.
int engine_parse_ping(const char *answer, size_t len, struct error *err) MUST_CHECK;
// GET of any path (from "/"); the answer, of at most `max` bytes, is JSON. The caller decrefs.
int engine_get(const struct engine_address *at, const char *path, size_t max, int64_t deadline, json_t **ret,
	       struct error *err) MUST_CHECK;
// GET of a path whose answer does not end; tls_read reads on where the head of the answer ends. The caller closes t, also
// after a failure.
int engine_follow(struct tls *t, const struct engine_address *at, const char *path, int64_t deadline,
		  struct error *err) MUST_CHECK;
// Where the body begins in an HTTP answer with status 200.
int engine_parse_answer(const char *answer, size_t len, const char **ret_body, struct error *err) MUST_CHECK;

// The engine of a machine of the store, which must outlive it.
struct machine_engine {
	struct engine_address address;
	char *ca, *cert, *key; // paths
};

void machine_engine_init(struct machine_engine *e, const struct machine *m);
void machine_engine_done(struct machine_engine *e);
// engine_version and engine_ping of a machine of the store.
int machine_engine_version(const struct machine *m, int64_t deadline, char **ret_version, struct error *err) MUST_CHECK;
int machine_engine_ping(const struct machine *m, int64_t deadline, struct error *err) MUST_CHECK;
