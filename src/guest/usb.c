// SPDX-License-Identifier: Apache-2.0
// Disks at USB: what sysfs says of them while they are found.
#include "usb.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEVICES "/sys/bus/usb/devices"
#define CLASS_MASS_STORAGE "08" // Universal Serial Bus Mass Storage Class Specification Overview

bool usb_is_there(const struct guest *g)
{
	cleanup_free char *path = guest_path(g, DEVICES);
	cleanup_strv struct strv names = STRV_INIT;

	file_list(path, &names);
	return names.count > 0; // the root hub of each controller is a device
}

// Where the devices of these names are in the tree of devices: /sys/class/block has links there.
static void list_places(const struct guest *g, struct strv *ret)
{
	cleanup_free char *folder = guest_path(g, "/sys/class/block");
	cleanup_strv struct strv names = STRV_INIT;

	file_list(folder, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(folder, names.items[i]);
		char place[PATH_MAX];
		ssize_t len = readlink(path, place, sizeof(place) - 1);

		if (len > 0) {
			place[len] = '\0';
			strv_push(ret, place);
		}
	}
}

static bool has_place_below(const struct strv *places, const char *interface)
{
	cleanup_free char *part = xasprintf("/%s/", interface);

	for (size_t i = 0; i < places->count; i++)
		if (strstr(places->items[i], part))
			return true;
	return false;
}

bool usb_awaits_disk(const struct guest *g)
{
	cleanup_free char *folder = guest_path(g, DEVICES);
	cleanup_strv struct strv interfaces = STRV_INIT, places = STRV_INIT;

	file_list(folder, &interfaces);
	list_places(g, &places);
	for (size_t i = 0; i < interfaces.count; i++) {
		cleanup_free char *attribute = xasprintf(DEVICES "/%s/bInterfaceClass", interfaces.items[i]);
		cleanup_free char *class = guest_read(g, attribute);

		if (class && strcmp(class, CLASS_MASS_STORAGE) == 0 && !has_place_below(&places, interfaces.items[i]))
			return true;
	}
	return false;
}
