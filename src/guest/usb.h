// SPDX-License-Identifier: Apache-2.0
// Disks at USB, which show up some time after their driver.
#pragma once

#include "guest.h"

// Whether there is a USB controller at all.
bool usb_is_there(const struct guest *g);
// Whether a mass storage device was found that the kernel has no disk (or drive) of yet.
bool usb_awaits_disk(const struct guest *g);
