// SPDX-License-Identifier: Apache-2.0
// `b2d-image build`: from manifests to vmlinuz, initrd.img, boot2docker.iso and packages.txt.
#pragma once

#include "image/additions.h"
#include "image/apt.h"
#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

struct build_spec {
	const char *distro; // folder of the manifests
	const char *profile;
	const char *programs; // folder of the guest programs
	const char *output; // folder; its files are replaced only when all of them are complete
	struct apt_spec apt; // where packages come from; its cache keeps what can be made or fetched again
	const struct additions *additions;
	const char *kernel_config; // fragment for a kernel that is built here, or NULL
	int64_t epoch; // the time of everything in the image
	int jobs;
	bool no_iso;
	bool quiet; // no size table
};

int build_run(const struct build_spec *spec, struct error *err) MUST_CHECK;
