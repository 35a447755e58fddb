// SPDX-License-Identifier: Apache-2.0
// What happens by the clock: crond, and the rotation of logs that it runs.
#pragma once

#include "services.h"

#define CRON_LOG_MAX (10 * 1024 * 1024) // a log that is larger is rotated

extern const struct service_row cron_service;

// Rotates the logs below ROOT that are larger than `max` bytes: the text goes to NAME.1 (the one before is lost), the file is
// emptied and stays the same file, since its writer has it open.
void cron_rotate(const struct guest *g, off_t max);
// `rotate-logs`, called by crond.
int cron_rotate_main(int argc, char **argv);
