// SPDX-License-Identifier: Apache-2.0
// Can a docker client reach this machine? What `env` and `config` ask before they print.
#pragma once

#include "lib/error.h"

struct machine;

// It runs, and its server certificate verifies. *ret_url is tcp://IP:PORT; the caller frees. The certificate is checked
// from the store's files (CA, address, dates), not by a handshake: `env` runs in every new shell and must not wait for
// the guest.
int connection_check(struct machine *m, char **ret_url, struct error *err) MUST_CHECK;
// The older tool's lines, "    export NAME=VALUE", for a machine that passed the check.
void connection_print_exports(const struct machine *m, const char *url);
