// SPDX-License-Identifier: Apache-2.0
// What the host's processor can do.
#pragma once

#include <stdbool.h>

// Does /proc/cpuinfo (a parameter for the tests) have the flag vmx or svm? Where it has not, there is no hardware
// virtualization, whatever a /dev/kvm that opens may promise.
bool processor_virtualizes(const char *cpuinfo);

// What Linux's parameter lpj= (loops of a delay in a timer tick, Documentation/admin-guide/kernel-parameters.txt) is for a kernel of
// 250 ticks a second whose time stamp counter is this host's, as an emulated one is. From x86's "bogomips" of /proc/cpuinfo, which is
// two loops a cycle; 0 where it has none.
unsigned long processor_loops_per_jiffy(const char *cpuinfo);
