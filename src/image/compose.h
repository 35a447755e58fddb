// SPDX-License-Identifier: Apache-2.0
// Carries out the manifest's rules: from packages, overlay and guest programs to the two trees of the image.
#pragma once

#include "image/manifest.h"
#include "image/packages.h"
#include "image/template.h"
#include "image/tree.h"
#include "image/users.h"

#include <stdint.h>

struct compose_spec {
	const struct manifest *manifest;
	const struct packages *packages;
	const struct users *users;
	const char *programs; // folder of the guest programs
	const char *scratch; // folder for temporary files
	const struct template_value *values; // for overlay files named *.in, which lose that ending
	int64_t epoch; // the time of what does not come from a package
};

// Each rule in the order of the manifest, `links` after all others, for names that are free by then. A file of a later rule takes the place of an earlier one only when it comes from
// an overlay, a link or a program; two packages that both give a path are an error. A glob that matches nothing is an error.
int compose(const struct compose_spec *spec, struct node *root, struct node *initrd, struct error *err) MUST_CHECK;

// Puts the package's file or link at `path` into the tree, as the package has it.
int compose_take(const struct package *p, const struct deb_entry *entry, int layer, struct node *root,
		 struct error *err) MUST_CHECK;
