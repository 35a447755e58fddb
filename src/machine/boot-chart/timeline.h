// SPDX-License-Identifier: Apache-2.0
// A boot as the guest's `boot-timeline --json` tells it, with what the host knows, and what it was that made it take its time.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>

enum boot_kind { BOOT_FIRMWARE, BOOT_KERNEL, BOOT_STEP, BOOT_SERVICE, BOOT_MARK };

struct boot_row {
	enum boot_kind kind;
	char *name;
	struct strv after; // names of what it waited for
	double start, end; // seconds since the kernel started
	bool goes_on; // a service: it ends with the machine, and `end` is its start
	bool failed;
	bool is_critical; // of the chain of waits that ends with the engine's answer
};

struct boot {
	struct boot_row *rows; // in the order in which they start
	size_t count;
};

#define cleanup_boot CLEANUP(boot_done)

void boot_done(struct boot *b);

// Reads the JSON, which is foreign: EBADMSG when it is not a timeline, with what is wrong. `firmware` is how many seconds before the
// kernel the hypervisor was started; 0: not known. What is started again later (the first row of a name is the boot's) is left
// out. A mark becomes the wait for it. Critical is, backwards from the engine's answer, whatever a row waited for longest.
int boot_read(const char *json, size_t len, double firmware, struct boot *ret, struct error *err) MUST_CHECK;
// The row of the engine's answer, or NULL: it has not answered.
const struct boot_row *boot_answer(const struct boot *b);
// Appends one line of text: when the engine answered, and the longest of the critical rows.
void boot_summary(const struct boot *b, struct buf *ret);
