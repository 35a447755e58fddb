// SPDX-License-Identifier: Apache-2.0
// The data partition behind our own boot image, on the disk that the ISO was written to.
#pragma once

#include "disk_prepare.h"

#include <stdbool.h>

#define DISK_INSTALL_PARTITION 4 // the number of the data partition

struct disk_install {
	struct disk_layout layout;
	bool has_data; // data is there, whole, and only the partition table does not name it
};

// What can be done on a disk (or image file) that begins with our ISO. Looks only. -errno, with words that go on after "it
// holds this image, but": there is no room, or something that is not ours.
int disk_install_plan(const char *path, struct disk_install *ret, struct error *err) MUST_CHECK;

// Does it. `staging` is a folder that may be made and removed. Of the image itself only the third and the fourth entry of the
// partition table are written. If this is interrupted at any point, the disk boots as before, and a next call begins again, or
// goes on where nothing is left but to name the partitions.
int disk_install(const char *path, const struct disk_install *plan, const char *staging, struct error *err) MUST_CHECK;
