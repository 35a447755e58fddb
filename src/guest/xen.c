// SPDX-License-Identifier: Apache-2.0
// b2d-xen: tells Xen's host of this guest, through XenStore.
//
// A program of our own: xe-guest-utilities is no package of Debian's, and is mostly a daemon in Go that does this. Shutdown and
// reboot by the host are the kernel's (drivers/xen/manage.c), which reach PID 1 as signals.
#include "news.h"
#include "service_main.h"
#include "xen_service.h"

#include <errno.h>
#include <fcntl.h>

#define PAUSE_MS 60000

static int serve(const struct guest *g, struct error *err)
{
	cleanup_close int news = news_open();
	cleanup_close int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
	struct xenstore x = { .fd = fd };
	struct told told = TOLD_INIT;
	int r = fd < 0 ? error_set(err, errno, "open /dev/xen/xenbus") : 0;

	while (r == 0) {
		r = xen_tell(g, &x, &told, err);
		if (r == 0)
			news_wait(news, PAUSE_MS);
	}
	told_done(&told);
	return r;
}

int main(void)
{
	return service_main("Xen", serve);
}
