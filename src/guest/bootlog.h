// SPDX-License-Identifier: Apache-2.0
// The boot log: each line goes to the kernel's log and to /boot.log, with the time since the kernel started.
#pragma once

#include "guest.h"

#include <stdint.h>

#define BOOTLOG_FILE "/boot.log"

// Microseconds since the kernel started, sleep included.
int64_t bootlog_now_us(void);
// Makes the kernel's log and ROOT/boot.log the sink of lib/log.h. Lines written before the file can be opened (the root is
// not there yet) go to the kernel's log alone; bootlog_attach_file copies them when it is.
void bootlog_open(const struct guest *g);
void bootlog_attach_file(const struct guest *g);
// The fd of the file, for the output of programs; -1 before bootlog_attach_file.
int bootlog_fd(void);
// Writes a line to the console too, whatever the kernel's log level: for what a person has to know who looks at the screen.
void bootlog_console(const char *fmt, ...) PRINTF_LIKE(1, 2);
