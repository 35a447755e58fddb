// SPDX-License-Identifier: Apache-2.0
// PID 1 at work: the event loop over steps, services, devices, the control socket and signals.
#pragma once

#include "guest.h"
#include "services.h"
#include "steps.h"

// What a boot consists of.
struct boot {
	const struct step *steps;
	size_t step_count;
	const struct service_row *const *services; // those with `after` take part in the boot as steps of their name
	size_t service_count;
	const struct service_row *rescue; // started when a required step has failed
	const struct service_row *network; // gets an instance for each Ethernet interface that appears
};

// Runs the boot, then the system, until it is told to go down. Returns only if the kernel refuses to end.
void init_run(struct guest *g, const struct boot *boot);
