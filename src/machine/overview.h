// SPDX-License-Identifier: Apache-2.0
// What `boot2docker` alone prints: where things stand, and the next step.
#pragma once

#include "lib/error.h"

struct context;

int overview_print(const struct context *ctx, struct error *err) MUST_CHECK;
