// SPDX-License-Identifier: Apache-2.0
// Takes the layers of the system out of an initrd, so that a hypervisor can give them to the guest as disks.
#pragma once

#include "lib/error.h"

#include <stdbool.h>

// Splits `initrd` (a cpio, as a whole packed by xz or zstd or not at all; see HACKING.md, "What the initrd holds") into the folder
// `into`: each layer NAME.squashfs as a file of that name, and initrd.img with the rest, where the layers are empty files.
// An initrd without layers is copied as it is. The bytes are foreign: sizes and names are bounded.
// Where the image's engine can be kept in a template, there is an empty file INITRD_TEMPLATES, too.
#define INITRD_TEMPLATES "templates"
int initrd_split(const char *initrd, const char *into, struct error *err) MUST_CHECK;

// The serial number of the disk that has the layer in `file` ("10-base.squashfs": "layer-10-base"). The caller frees.
char *initrd_layer_serial(const char *file);
// Whether this is the name of a layer's file.
bool initrd_is_layer(const char *file);
