// SPDX-License-Identifier: Apache-2.0
// Where a machine's system comes from: an ISO (or a folder with kernel and initrd), and what is taken out of it.
#pragma once

#include "lib/error.h"

struct context;
struct machine;

// Is there an image? `url` is what the user gave, or empty for the default: $B2D_ISO, else the installed one, else the
// cache's. Nothing is written.
int image_check(const struct context *ctx, const char *url, struct error *err) MUST_CHECK;
// Puts the image into the machine's folder: boot2docker.iso (when it is an ISO), and system/ (system.h). The default image goes
// through cache/boot2docker.iso.
int image_install(const struct machine *m, const char *url, struct error *err) MUST_CHECK;
// The same for a machine that boots from a CD: boot2docker.iso alone.
int image_install_iso(const struct machine *m, const char *url, struct error *err) MUST_CHECK;
// Takes /boot/vmlinuz and /boot/initrd.img out of an ISO into a folder.
int image_extract(const char *iso, const char *into_dir, struct error *err) MUST_CHECK;
