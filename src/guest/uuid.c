// SPDX-License-Identifier: Apache-2.0
// Random identifiers; see uuid.h.
#include "uuid.h"

#include "lib/alloc.h"

#include <errno.h>
#include <sys/random.h>

int uuid_draw(uint8_t ret[static UUID_LEN], struct error *err)
{
	if (getrandom(ret, UUID_LEN, 0) != UUID_LEN)
		return error_set(err, errno, "random bytes for a UUID");
	ret[6] = (ret[6] & 0x0f) | 0x40;
	ret[8] = (ret[8] & 0x3f) | 0x80;
	return 0;
}

int uuid_draw_text(char **ret, struct error *err)
{
	uint8_t b[UUID_LEN];
	int r = uuid_draw(b, err);

	if (r == 0)
		*ret = xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
				 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
				 b[15]);
	return r;
}
