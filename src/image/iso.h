// SPDX-License-Identifier: Apache-2.0
// boot2docker.iso: boots on BIOS and UEFI, from CD and, written as it is, from a stick or disk.
#pragma once

#include "image/manifest.h"
#include "image/packages.h"
#include "image/template.h"

#include <stdint.h>

struct iso_spec {
	const struct manifest *manifest;
	const struct packages *packages; // the boot loaders' among them
	const char *work; // folder that holds vmlinuz and initrd.img; boot2docker.iso is made there
	const struct template_value *values; // for the volume's name and the files of distro/boot
	int64_t epoch;
};

int iso_make(const struct iso_spec *spec, struct error *err) MUST_CHECK;
