// SPDX-License-Identifier: Apache-2.0
// A question to the person at the terminal.
#pragma once

#include <stdbool.h>

// Prints the question and reads one line from stdin; only a y is a yes, the end of the input is a no.
bool prompt_yes(const char *question);
