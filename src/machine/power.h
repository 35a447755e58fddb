// SPDX-License-Identifier: Apache-2.0
// Starting and ending machines, as the commands start, stop, restart, kill and create do it. All print what they do.
#pragma once

#include "lib/error.h"

struct machine;

enum provision_kind {
	PROVISION_NONE,
	PROVISION_CERTIFICATES, // new certificates only: the user's profile stays
	PROVISION_ALL,
};

// Starts the machine's hypervisor, handing over what the kind says, and saves config.json. The caller holds the
// machine's lock.
int power_launch(struct machine *m, enum provision_kind kind, struct error *err) MUST_CHECK;

int power_start(struct machine *m, struct error *err);
int power_stop(struct machine *m, struct error *err);
int power_restart(struct machine *m, struct error *err);
int power_kill(struct machine *m, struct error *err);
