// SPDX-License-Identifier: Apache-2.0
// The flags of `create` as a struct: those that all drivers share, then each driver's own.
#pragma once

#include "generic/generic.h"
#include "lib/strv.h"
#include "none/none.h"
#include "qemu/qemu.h"
#include "virtualbox/virtualbox.h"

#include <stdbool.h>

struct create_options {
	char *driver;
	char *engine_install_url;
	char *engine_storage_driver;
	struct strv engine_opt, engine_insecure_registry, engine_registry_mirror, engine_label, engine_env;
	bool swarm, swarm_master, swarm_experimental;
	char *swarm_image, *swarm_discovery, *swarm_strategy, *swarm_host, *swarm_addr;
	struct strv swarm_opt, swarm_join_opt;
	struct strv tls_san;
	bool no_start;

	struct qemu_options qemu;
	struct virtualbox_options virtualbox;
	struct generic_options generic;
	struct none_options none;
};
