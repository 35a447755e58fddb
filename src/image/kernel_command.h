// SPDX-License-Identifier: Apache-2.0
// `b2d-image kernel`: builds our own kernel by itself.
#pragma once

#include "lib/error.h"

// argv[0] is the command's name.
int kernel_command(int argc, char **argv, struct error *err) MUST_CHECK;
