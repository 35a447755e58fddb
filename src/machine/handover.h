// SPDX-License-Identifier: Apache-2.0
// Handing a running machine what it is given, over SSH: for drivers that cannot do it while it starts, and for
// `provision` and `regenerate-certs`.
#pragma once

#include "driver.h"

struct machine;

// Copies certificates (and with PROVISION_ALL profile and host name) to /var/lib/boot2docker and starts the engine
// again. The engine is not waited for. A host that does not run Boot2Docker: ENOTSUP, and nothing on it is changed.
int handover_over_ssh(const struct machine *m, enum provision_kind kind, struct error *err) MUST_CHECK;

// The whole of it for a machine of the store, under its lock: a new server certificate when `renew` or when the one
// there does not do, handing over, waiting until the engine answers with it.
int handover_again(struct machine *given, enum provision_kind kind, bool renew, struct error *err) MUST_CHECK;
