// SPDX-License-Identifier: Apache-2.0
// The power button, as an input device.
#include "power.h"

#include "lib/alloc.h"
#include "lib/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <sys/ioctl.h>

const char *power_name(enum power_action action)
{
	static const char *const names[] = { "nothing", "poweroff", "reboot", "halt" };

	return names[action];
}

int power_open_button(const struct guest *g, const char *name, int *ret_fd, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/dev/input/%s", g->root, name);
	cleanup_close int fd = -1;
	uint8_t keys[KEY_MAX / 8 + 1] = { 0 };

	if (!path_is_component(name))
		return error_say(err, EINVAL, "\"%s\" is not an input device", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) < 0 || !(keys[KEY_POWER / 8] & (1 << KEY_POWER % 8)))
		return error_say(err, ENODEV, "%s has no power key", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

bool power_button_pressed(int fd, bool *ret_gone)
{
	struct input_event events[16];
	ssize_t len;
	bool pressed = false;

	while ((len = read(fd, events, sizeof(events))) > 0)
		for (size_t i = 0; i < (size_t)len / sizeof(events[0]); i++)
			if (events[i].type == EV_KEY && events[i].code == KEY_POWER && events[i].value == 1)
				pressed = true;
	*ret_gone = len == 0 || errno == ENODEV;
	return pressed;
}
