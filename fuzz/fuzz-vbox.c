// SPDX-License-Identifier: Apache-2.0
// Fuzzes what VirtualBox's host answers about its shares: each answer is the next bytes of the input, wherever they fit.
#include "guest/vbox.h"

#include "quiet.h"

#include <assert.h>
#include <string.h>

static const uint8_t *input;
static size_t left;

static void take(void *to, size_t size)
{
	size_t len = size < left ? size : left;

	memcpy(to, input, len);
	input += len;
	left -= len;
}

static int answer(const struct vbox *v, unsigned long number, void *data)
{
	struct vbg_ioctl_hgcm_call *call = data;
	struct vmmdev_hgcm_function_parameter64 *p = (void *)(call + 1);

	(void)v;
	if (_IOC_NR(number) != 7)
		return 0;
	for (int i = 0; i < call->parm_count; i++)
		if (p[i].type == VMMDEV_HGCM_PARM_TYPE_32BIT)
			take(&p[i].u.value32, 1);
		else
			take((void *)(uintptr_t)p[i].u.pointer.u.linear_addr,
			     p[i].u.pointer.size < 64 ? p[i].u.pointer.size : 64);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vbox device = { .request = answer, .fd = -1 };
	cleanup_strv struct strv names = STRV_INIT;

	be_quiet();
	input = data;
	left = size;
	assert(vbox_share_names(&device, true, &names, NULL) == 0);
	assert(names.count <= VBOX_SHARES_MAX);
	for (size_t i = 0; i < names.count; i++)
		assert(names.items[i][0]);
	return 0;
}
