// SPDX-License-Identifier: Apache-2.0
// Loop devices.
#include "loop_device.h"

#include "lib/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define TRIES 10

// Between the kernel naming a free device and our taking it, another process may have taken it.
static int take_free(int control, int file, char **ret_device, int *ret_fd, struct error *err)
{
	const struct loop_config config = { .fd = (uint32_t)file,
					    .info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR } };
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	cleanup_free char *device = xasprintf("/dev/loop%d", number);
	cleanup_close int loop = -1;

	if (number < 0)
		return error_set(err, errno, "get a free loop device");
	loop = open(device, O_RDWR | O_CLOEXEC);
	if (loop < 0)
		return error_set(err, errno, "open %s", device);
	if (ioctl(loop, LOOP_CONFIGURE, &config) < 0)
		return error_set(err, errno, "attach to %s", device);
	*ret_device = take_ptr(device);
	*ret_fd = take_fd(&loop);
	return 0;
}

int loop_device_attach(const char *image, char **ret_device, int *ret_fd, struct error *err)
{
	cleanup_close int file = open(image, O_RDONLY | O_CLOEXEC);
	cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (file < 0)
		return error_set(err, errno, "open %s", image);
	if (control < 0)
		return error_set(err, errno,
				 "open /dev/loop-control (the kernel needs loop, built in or in /boot/modules)");
	for (int i = 0; i < TRIES && r == -EBUSY; i++)
		r = take_free(control, file, ret_device, ret_fd, err);
	return r < 0 ? error_wrap(err, "loop device for %s", image) : 0;
}
