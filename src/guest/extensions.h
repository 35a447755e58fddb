// SPDX-License-Identifier: Apache-2.0
// Extensions: trees below /usr that people lay over the system.
#pragma once

#include "guest.h"

// Step: lays every file of /var/lib/boot2docker/extensions (*.squashfs, *.erofs, *.tar and compressed ones) over /usr, the first by
// name on top. One that is broken, or holds anything outside /usr, is logged and left out. Without any, does nothing at all.
int extensions_lay(struct guest *g, struct error *err) MUST_CHECK;
// Whether the tree at `folder` holds a folder usr and nothing else.
int extensions_check(const char *folder, struct error *err) MUST_CHECK;
