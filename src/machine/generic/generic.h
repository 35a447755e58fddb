// SPDX-License-Identifier: Apache-2.0
// The generic driver: any host that runs Boot2Docker already, over SSH. It is reached and provisioned, never started or
// ended.
#pragma once

#include "../driver.h"

extern const struct driver generic_driver;
extern const struct option_row generic_options_rows[];

// The flags `--generic-…` of create.
struct generic_options {
	char *ip_address; // or a name
	int engine_port; // where its engine is to listen
	char *ssh_user;
	char *ssh_key; // copied into the store; empty: the user's own keys
	int ssh_port;
};
