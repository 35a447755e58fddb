// SPDX-License-Identifier: Apache-2.0
// What the command line adds to a profile: packages, files, and extensions.
#pragma once

#include "image/apt.h"
#include "image/manifest.h"
#include "image/tree.h"

#include <stdint.h>

struct additions {
	struct strv packages; // names
	struct strv files; // "SRC:DST"
	struct strv extensions; // files that `b2d-image extension` made
};

// All of each package (the statement `all`) and the libraries of those that it depends on, in the profile's last layer. apt must
// have been prepared.
int additions_packages(const struct additions *a, const struct apt_spec *apt, struct manifest *m,
		       struct error *err) MUST_CHECK;
// Each file into the profile's last layer, in the place of what is there; executable when SRC is.
int additions_files(const struct additions *a, const struct manifest *m, int64_t epoch, struct node *root,
		    struct error *err) MUST_CHECK;
// Each extension as a layer of its own, which lies below ours and above all others.
int additions_extensions(const struct additions *a, struct node *initrd, struct error *err) MUST_CHECK;
