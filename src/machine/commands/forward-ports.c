// SPDX-License-Identifier: Apache-2.0
// `__forward-ports`: the process beside a machine of QEMU that makes published ports reachable on this host.
#include "commands.h"

#include "../qemu/qemu.h"
#include "../store.h"

#include <errno.h>

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;

	(void)options;
	if (operands->count != 1)
		return error_say(err, EINVAL, "Error: No machine name specified");
	int r = machine_load(ctx, operands->items[0], &m, err);
	if (r == 0 && m->driver != &qemu_driver)
		r = error_say(err, EINVAL, "machine \"%s\" is not one of QEMU's", m->name);
	return r < 0 ? r : qemu_forward_ports(m, err);
}

const struct command command_forward_ports = {
	.name = "__forward-ports",
	.arguments = "NAME",
	.summary = "Forward the ports that containers publish, as long as the machine runs",
	.hidden = true,
	.run = run,
};
