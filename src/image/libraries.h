// SPDX-License-Identifier: Apache-2.0
// The shared libraries that the chosen programs need, and those that these need in turn.
#pragma once

#include "image/packages.h"
#include "image/tree.h"
#include "lib/buf.h"
#include "lib/strv.h"

// Adds, from the pools among the packages, every library that an ELF file of the tree asks for (DT_NEEDED, PT_INTERP) and
// that is not in the tree yet. A library goes to the layer of the first file that asks for it; the layers are gone through in
// their order, so what the first needs is in the first. Those that are nowhere are listed in the error, each with who asks for it; their names are
// also pushed to `ret_missing` (may be NULL), so that the caller can suggest packages.
int libraries_add(const struct packages *packages, size_t layer_count, struct node *root, struct strv *ret_missing,
		  struct error *err) MUST_CHECK;

// The name that Debian's policy gives to a library's package: "libssl.so.3" -> "libssl3", "libelf.so.1" -> "libelf1".
// The caller frees.
char *libraries_guess_package(const char *soname);
