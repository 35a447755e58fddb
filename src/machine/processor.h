// SPDX-License-Identifier: Apache-2.0
// What the host's processor can do.
#pragma once

#include <stdbool.h>

// Does /proc/cpuinfo (a parameter for the tests) have the flag vmx or svm? Where it has not, there is no hardware
// virtualization, whatever a /dev/kvm that opens may promise.
bool processor_virtualizes(const char *cpuinfo);
