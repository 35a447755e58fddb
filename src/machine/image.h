// SPDX-License-Identifier: Apache-2.0
// Where a machine's system comes from: an ISO (or a folder with kernel and initrd), and what is taken out of it.
#pragma once

#include "lib/error.h"

struct context;
struct machine;

// An image comes from a path or by file://, or from the web by http:// or https:// (fetch.h), where releases are found as Docker
// Machine does. One beside which there is a .sha256 must have that digest.
//
// Is there an image? What is on the web is not looked for. `url` is what the user gave, or empty for the default: $B2D_ISO, else the installed one, else the
// cache's. Nothing is written.
int image_check(const struct context *ctx, const char *url, struct error *err) MUST_CHECK;
// Fetches what is on the web, so that installing it takes no time; else image_check.
int image_prepare(const struct context *ctx, const char *url, struct error *err) MUST_CHECK;
// Fetches an image, or takes one from a path, into cache/boot2docker.iso.
int image_download(const struct context *ctx, const char *url, struct error *err) MUST_CHECK;
// Where these are: cache/boot2docker.iso, and what is fetched from a URL, with a name for each URL. The caller frees.
char *image_cache_path(const struct context *ctx);
char *image_download_path(const struct context *ctx, const char *url);
// The version in an ISO's volume name ("Boot2Docker-v26.1.5": "v26.1.5"); "" when it has none.
enum { IMAGE_VERSION_LEN = 33 };
int image_version(const char *iso, char ret[IMAGE_VERSION_LEN], struct error *err) MUST_CHECK;
// Puts the image into the machine's folder: boot2docker.iso (when it is an ISO), and system/ (system.h). The default image goes
// through cache/boot2docker.iso.
int image_install(const struct machine *m, const char *url, struct error *err) MUST_CHECK;
// The same for a machine that boots from a CD: boot2docker.iso alone.
int image_install_iso(const struct machine *m, const char *url, struct error *err) MUST_CHECK;
// Takes /boot/vmlinuz and /boot/initrd.img out of an ISO into a folder.
int image_extract(const char *iso, const char *into_dir, struct error *err) MUST_CHECK;
