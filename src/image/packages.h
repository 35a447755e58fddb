// SPDX-License-Identifier: Apache-2.0
// The packages that an image is made of, unpacked into memory.
#pragma once

#include "image/apt.h"
#include "image/deb.h"
#include "image/manifest.h"

struct package {
	const struct apt_package *apt;
	struct deb deb;
	bool is_pool; // libraries are taken from it as they are needed
};

struct packages {
	struct package *items; // in the order of the apt_set
	size_t count;
};

// Unpacks every package of the set, `jobs` at a time. Of each, the bytes are kept of what the manifest's rules match;
// of a pool, of the shared libraries; of the kernel, the image and the modules; of boot packages, all.
int packages_read(const struct manifest *m, const struct apt_set *set, const struct strv *kernel, int jobs,
		  struct packages *ret, struct error *err) MUST_CHECK;
void packages_done(struct packages *p);
bool packages_is_documentation(const char *path); // manuals, translations, headers: what an image does not need
const struct package *packages_find(const struct packages *p, const char *name); // NULL when it is not there
