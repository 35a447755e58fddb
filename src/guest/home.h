// SPDX-License-Identifier: Apache-2.0
// What the host gave this machine: the user's keys on the data disk, files handed over at start.
#pragma once

#include "guest.h"
#include "lib/contract.h"

// Step: userdata.tar of the data disk into docker's home.
int home_userdata(struct guest *g, struct error *err) MUST_CHECK;
#define HOME_PROVISION_FILE "/sys/firmware/qemu_fw_cfg/by_name/" CONTRACT_PROVISION "/raw"
#define HOME_PROVISION_MAX (1024 * 1024)
// Step: QEMU's fw_cfg file CONTRACT_PROVISION over /var/lib/boot2docker.
int home_provision(struct guest *g, struct error *err) MUST_CHECK;
