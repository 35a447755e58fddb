// SPDX-License-Identifier: Apache-2.0
// Starting and ending machines, as the commands start, stop, restart, kill and create do it. All print what they do.
#pragma once

#include "driver.h"

// Starts the machine's hypervisor, handing over what the kind says, and saves config.json. The caller holds the
// machine's lock.
int power_launch(struct machine *m, enum provision_kind kind, struct error *err) MUST_CHECK;

// After power_launch: waits until the machine's engine and SSH answer, having handed over what the driver could not when it
// started. `is_locked`: the caller holds the machine's lock still.
int power_wait(struct machine *m, enum provision_kind kind, bool is_locked, struct error *err) MUST_CHECK;

// Notes in config.json that the machine has not got its profile, certificates and name yet: the next start hands them over. The
// caller saves.
void power_await_provision(const struct machine *m, bool awaits);

int power_start(struct machine *given, struct error *err);
int power_stop(struct machine *m, struct error *err);
int power_save(struct machine *given, struct error *err);
int power_restart(struct machine *m, struct error *err);
int power_reset(struct machine *m, struct error *err);
int power_kill(struct machine *m, struct error *err);
