// SPDX-License-Identifier: Apache-2.0
// A machine that others are born from (CONTRACT_TEMPLATE on the kernel's command line).
//
// Theory of operation
//
// The host boots it with a provision.tar that is nobody's, waits for CONTRACT_TEMPLATE_READY on the console, and saves memory and disk. A QEMU
// that takes them up again has a provision.tar of its own in its fw_cfg, of the same name and size, which is no part of the state:
// that it is another one is the sign of birth. Until then the engine runs, and nothing is made that two machines must not have both;
// then, in this order: the kernel's random numbers are seeded anew, the clock is set, and the machine is given its name,
// certificates, keys and shares as at a boot. With its certificates it has all that the host waits for (CONTRACT_BORN). The steps that
// make keys come after this one.
//
// The engine made from source takes up its certificates and its identifier by itself; Debian's is restarted.
#pragma once

#include "guest.h"

// Step: does all of that.
int template_wait_birth(struct guest *g, struct error *err) MUST_CHECK;
// The same without the wait: `archive` is the provision.tar.
int template_give_birth(struct guest *g, const void *archive, size_t len, struct error *err) MUST_CHECK;
