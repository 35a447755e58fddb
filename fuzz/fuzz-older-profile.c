// SPDX-License-Identifier: Apache-2.0
// The older tool's profile, which people write by hand.
#include "machine/older-profile.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_strv struct strv flags = STRV_INIT;

	return older_profile_parse((const char *)data, size, &flags, NULL) < 0 ? 0 : (flags.count > size);
}
