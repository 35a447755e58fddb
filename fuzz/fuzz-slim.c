// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of QEMU's saved states: in whichever pieces a stream comes, the same is kept of it, and never more.
#include "machine/qemu/slim.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void pass(const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
	cleanup_slim struct slim s = SLIM_INIT;

	for (size_t at = 0; at < size; at += piece)
		slim_feed(&s, data + at, size - at < piece ? size - at : piece, out);
	slim_end(&s, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT, pieces = BUF_INIT;

	pass(data, size, size, &whole);
	pass(data, size, 7, &pieces);
	if (whole.len > size || whole.len != pieces.len ||
	    (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
		abort();
	return 0;
}
