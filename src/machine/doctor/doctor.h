// SPDX-License-Identifier: Apache-2.0
// What `doctor` looks at, and how it says what it found.
#pragma once

#include "lib/macros.h"

#include <stdbool.h>

struct context;
struct machine;

enum finding {
	FINDING_OK,
	FINDING_NOTE, // works, but could be better, or is worth knowing
	FINDING_WRONG, // does not work; the text says what to do
};

struct report {
	int wrong; // how many things are
	bool colour;
};

void report_begin(struct report *r);
void report_title(const struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
// One line: what was looked at, and what there is to say of it.
void report_line(struct report *r, enum finding finding, const char *what, const char *fmt, ...) PRINTF_LIKE(4, 5);

// --- host.c --- The programs, the accelerator, room, permissions.
void doctor_host(const struct context *ctx, struct report *r);
// Why there is no KVM here, with what to do; NULL: there is. The paths are parameters for the tests.
const char *doctor_why_no_kvm(const char *kvm_device, const char *cpuinfo);

// --- machine.c --- One machine: from outside when it is stopped, from inside when it runs.
void doctor_machine(struct machine *m, struct report *r);
