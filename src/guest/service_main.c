// SPDX-License-Identifier: Apache-2.0
// How a hypervisor's service begins and ends.
#include "service_main.h"

#include "child.h"
#include "lib/log.h"

#include <errno.h>

int service_main(const char *hypervisor, int (*serve)(const struct guest *g, struct error *err))
{
	static const struct guest guest = { .root = "" };
	struct error err = ERROR_INIT;
	int r;

	log_set_sink(log_sink_stderr, NULL);
	r = serve(&guest, &err);
	log_warn("%s: %s", hypervisor, err.msg);
	return r == -ENOENT || r == -ENODEV ? CHILD_NOT_HERE : 1;
}
