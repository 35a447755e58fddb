// SPDX-License-Identifier: Apache-2.0
// `b2d-image extension`: makes an extension (doc/guest.md) from Debian packages by name.
#pragma once

#include "image/manifest.h"
#include "image/packages.h"
#include "image/tree.h"
#include "lib/error.h"

// Runs the command; argv[0] is its name.
int extension_command(int argc, char **argv, struct error *err) MUST_CHECK;

// Fills the tree with what the packages have below /usr, without documentation and translations, and with the libraries that
// its programs need from the pools; those of the C library, which every image has, are left out.
int extension_compose(const struct manifest *m, const struct packages *packages, struct node *root,
		      struct error *err) MUST_CHECK;
