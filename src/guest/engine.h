// SPDX-License-Identifier: Apache-2.0
// The Docker engine: containerd and dockerd as services, its certificates.
#pragma once

#include "guest.h"
#include "profile.h"
#include "services.h"

extern const struct service_row containerd_service, dockerd_service;

// What the argument vector of dockerd depends on, besides the profile.
struct engine_facts {
	bool tls_files; // CA, server certificate and key are there
	bool on_btrfs; // the engine's folder is
	const char *daemon_json; // the text of /etc/docker/daemon.json; NULL: none
};

#define ENGINE_NOTE GUEST_RUN "/engine-answers" // there once the engine has answered

// The engine made from source (doc/engine.md): it takes up certificates and identifier from their files by itself.
#define ENGINE_OWN "/usr/libexec/docker/docker-engine"
// Renews certificates that need it, without a restart. -ENOTSUP: the engine that runs would not take them up.
int engine_renew_certificates(const struct guest *g, struct error *err) MUST_CHECK;

// dockerd's arguments. Settings that daemon.json has are left to it: dockerd refuses to start when it gets both.
void engine_argv(const struct profile *p, const struct engine_facts *facts, struct strv *ret);

// The file system that a folder is on (statfs's f_type), or will be on when dockerd makes it; 0: not known.
long engine_file_system(const char *folder);

// Step: waits until the engine answers on its socket, and says so.
int engine_ready(struct guest *g, struct error *err) MUST_CHECK;
