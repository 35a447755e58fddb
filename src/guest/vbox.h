// SPDX-License-Identifier: Apache-2.0
// VirtualBox's guest device (/dev/vboxguest of the mainline kernel, linux/vboxguest.h): the host's time, its guest properties and
// the list of its shared folders, through HGCM, VirtualBox's calls from guest to host.
#pragma once

#include "guest.h"

#include <linux/vboxguest.h>
#include <stdint.h>

#define VBOX_DEVICE "vboxguest"
#define VBOX_SHARES_MAX 64 // VirtualBox's own limit

// The device; a test's host takes its place. `request` is ioctl: 0 or -errno.
struct vbox {
	int (*request)(const struct vbox *v, unsigned long number, void *data);
	int fd;
};

// -ENOENT, -ENODEV: this is no guest of VirtualBox.
int vbox_open(const struct guest *g, struct vbox *ret, struct error *err) MUST_CHECK;
void vbox_close(struct vbox *v);

// The host's time, in milliseconds since 1970.
int vbox_host_time(const struct vbox *v, int64_t *ret_ms, struct error *err) MUST_CHECK;

// A client of a service of the host, which goes away with the device.
int vbox_connect(const struct vbox *v, const char *service, uint32_t *ret_client, struct error *err) MUST_CHECK;
#define VBOX_PROPERTIES "VBoxGuestPropSvc"
#define VBOX_SHARES "VBoxSharedFolders"

// Sets a guest property. Flags are the host's words ("TRANSIENT, TRANSRESET"), or "".
int vbox_set_property(const struct vbox *v, uint32_t client, const char *name, const char *value, const char *flags,
		      struct error *err) MUST_CHECK;
int vbox_delete_property(const struct vbox *v, uint32_t client, const char *name, struct error *err) MUST_CHECK;

// The names of the shared folders (UTF-8): all, or those with the automount flag. One whose name cannot be read is left out.
int vbox_share_names(const struct vbox *v, bool automount_only, struct strv *ret, struct error *err) MUST_CHECK;
