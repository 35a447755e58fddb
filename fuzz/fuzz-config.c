// SPDX-License-Identifier: Apache-2.0
// A machine's config.json, which anybody may have edited: reading it, and the profile that is made of it.
#include "lib/json.h"
#include "machine/profile.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *config = NULL;
	cleanup_buf struct buf profile = BUF_INIT;

	if (json_read_text((const char *)data, size, "config.json", &config, NULL) < 0)
		return 0;
	json_str_at(config, "Driver.IPAddress", "");
	json_int_at(config, "Driver.SSHPort", 22);
	json_bool_at(config, "Driver.Display", false);
	profile_write(config, &profile);
	return 0;
}
