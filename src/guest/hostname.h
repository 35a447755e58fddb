// SPDX-License-Identifier: Apache-2.0
// The machine's name: kernel, /etc/hostname and /etc/hosts.
#pragma once

#include "guest.h"

// Letters, digits, hyphens and dots; labels of 1 to 63 that neither begin nor end with a hyphen; at most 64 in all.
bool hostname_is_valid(const char *name);
// Sets it everywhere, now.
int hostname_set(const struct guest *g, const char *name, struct error *err) MUST_CHECK;
// Step: the name that the data disk keeps, or "boot2docker".
int hostname_apply(struct guest *g, struct error *err) MUST_CHECK;
// `sethostname NAME`.
int hostname_main(int argc, char **argv);
