// SPDX-License-Identifier: Apache-2.0
// OpenSSH: host keys that survive, and the server.
#pragma once

#include "services.h"

extern const struct service_row sshd_service;

// Step: the host key that the server starts with (Ed25519, quickly made).
int ssh_first_key(struct guest *g, struct error *err) MUST_CHECK;
// Step: the other kinds, for older clients; slow to make, so when nothing waits. The server has them from its next start on.
int ssh_other_keys(struct guest *g, struct error *err) MUST_CHECK;
