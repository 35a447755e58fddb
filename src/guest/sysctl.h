// SPDX-License-Identifier: Apache-2.0
// Kernel parameters from /etc/sysctl.conf.
#pragma once

#include "guest.h"

// Step: applies /etc/sysctl.conf ("name.name = value" a line, # and ; comments; a leading - means: do not mind when it fails).
int sysctl_apply(struct guest *g, struct error *err) MUST_CHECK;
