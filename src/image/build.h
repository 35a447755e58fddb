// SPDX-License-Identifier: Apache-2.0
// `b2d-image build`: from manifests to vmlinuz, initrd.img, boot2docker.iso and packages.txt.
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

struct build_spec {
	const char *distro; // folder of the manifests
	const char *profile;
	const char *programs; // folder of the guest programs
	const char *output; // folder; its files are replaced only when all of them are complete
	const char *cache; // folder for what can be made or fetched again
	const char *suite;
	const char *mirror, *security_mirror, *keyring; // may be NULL; see struct apt_spec
	int64_t epoch; // the time of everything in the image
	int jobs;
	bool update; // refresh the package lists
	bool no_iso;
	bool quiet; // no size table
};

int build_run(const struct build_spec *spec, struct error *err) MUST_CHECK;
