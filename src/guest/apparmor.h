// SPDX-License-Identifier: Apache-2.0
// AppArmor: the profile that the engine gives to containers.
#pragma once

#include "guest.h"

// Step: mounts securityfs and hands the profile docker-default, compiled when the image was built, to the kernel. The engine
// takes the one that is loaded; else it would run a compiler on its way. A kernel without AppArmor is no error.
int apparmor_load(struct guest *g, struct error *err) MUST_CHECK;
