// SPDX-License-Identifier: Apache-2.0
// The Docker engine: containerd and dockerd as services, its certificates, the user's scripts around it.
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

// dockerd's arguments. Settings that daemon.json has are left to it: dockerd refuses to start when it gets both.
void engine_argv(const struct profile *p, const struct engine_facts *facts, struct strv *ret);

// Step: /var/lib/boot2docker/bootsync.sh, before the engine; waited for, never killed.
int engine_bootsync(struct guest *g, struct error *err) MUST_CHECK;
// Step: waits until the engine answers on its socket, and says so.
int engine_ready(struct guest *g, struct error *err) MUST_CHECK;
// Step: /var/lib/boot2docker/bootlocal.sh, after the engine has started.
int engine_bootlocal(struct guest *g, struct error *err) MUST_CHECK;
