// SPDX-License-Identifier: Apache-2.0
// Which accelerator really works here; see internal.h.
#include "internal.h"

#include "../processor.h"

#include <fcntl.h>

const char *accelerator_choose(const char *kvm_device, const char *cpuinfo)
{
	cleanup_close int fd = open(kvm_device, O_RDWR | O_CLOEXEC);

	return fd >= 0 && processor_virtualizes(cpuinfo) ? "kvm" : "tcg";
}
