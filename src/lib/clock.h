// SPDX-License-Identifier: Apache-2.0
// Monotonic time for deadlines and durations.
#pragma once

#include <stdint.h>

int64_t clock_ms(void); // CLOCK_MONOTONIC, milliseconds
void clock_sleep_ms(int64_t ms);
