// SPDX-License-Identifier: Apache-2.0
// Our own kernel, built from Debian's source package and the fragments of distro/kernel, once for each combination of both.
#pragma once

#include "image/apt.h"
#include "lib/buf.h"
#include "lib/error.h"

#define KERNEL_PACKAGE "linux-image-boot2docker" // what kernel_build adds to a set

struct kernel_build_spec {
	const struct apt_spec *apt; // where the source comes from; the finished kernel goes to its cache
	const char *source; // package: "linux-source-6.12"
	const char *config; // folder of *.config
	const char *extra; // one more fragment, whose options win; or NULL
	const char *
		work; // folder to build in and to leave as it is, so that a next build compiles only what changed; or NULL
	int jobs;
};

// What is built from: known before anything is compiled.
struct kernel_plan {
	struct apt_set source; // the one package
	struct buf options; // the merged fragments
	char *compiler; // its first line of --version, and the linker's
	char *path; // of the finished kernel in the cache
};

#define cleanup_kernel_plan CLEANUP(kernel_plan_done)
void kernel_plan_done(struct kernel_plan *p);

// Reads the fragments, fetches the source, looks at the compiler. The caller holds the cache's lock, as for all of apt_fetch.
int kernel_plan(const struct kernel_build_spec *spec, struct kernel_plan *ret, struct error *err) MUST_CHECK;

// Builds what was planned, unless the cache has it already: some 15 minutes on two processors, and 3 GB below the cache in
// the meantime. One build at a time uses a cache. The result is a Debian package (plan->path) with /boot/vmlinuz-RELEASE,
// /boot/config-RELEASE and the modules; it is added to `set`, which stays sorted.
int kernel_build(const struct kernel_build_spec *spec, const struct kernel_plan *plan, struct apt_set *set,
		 struct error *err) MUST_CHECK;
