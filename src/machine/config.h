// SPDX-License-Identifier: Apache-2.0
// A new machine's config.json, with every field that Docker Machine's version 3 has.
#pragma once

struct create_options;
struct machine;

// Fills m->config from the flags of create: what all drivers share. The driver's `configure` adds its own fields to
// "Driver".
void config_fill(struct machine *m, const struct create_options *options);
