// SPDX-License-Identifier: Apache-2.0
// Fuzzes what reads VBoxManage's output (and the guest's `ip addr show`): the same bytes are given to each reader.
#include "lib/alloc.h"
#include "machine/virtualbox/internal.h"

#include <string.h>

static void read_records(const char *text, const char *first_key)
{
	size_t len = 0;

	for (const char *at = record_next(text, first_key, &len); at; at = record_next(at + len, first_key, &len)) {
		cleanup_buf struct buf value = BUF_INIT;
		if (record_get(at, len, "IPAddress", &value) && value.len > len)
			abort();
	}
}

static void read_info(const char *text)
{
	static const char *const keys[] = { "CfgFile", "SATA-1-0", "Forwarding(0)", "VMState", "" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		cleanup_buf struct buf value = BUF_INIT;
		if (info_get(text, keys[i], &value) && strchr(buf_str(&value), '\n'))
			abort();
	}
	(void)info_state(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_buf struct buf output = BUF_INIT;
	cleanup_buf struct buf error = BUF_INIT;
	cleanup_buf struct buf mac = BUF_INIT;
	cleanup_buf struct buf address = BUF_INIT;
	cleanup_buf struct buf name = BUF_INIT;

	buf_puts(&output, text);
	output_strip_warning(&output);
	output_error(text, &error);
	if (!error.len)
		abort();
	read_info(text);
	read_records(text, "Name");
	read_records(text, "NetworkName");
	if (info_hostonly_mac(text, &mac))
		(void)address_of_mac(text, buf_str(&mac), &address);
	(void)address_of_mac(text, "0800277e1ef1", &address);
	(void)created_interface(text, &name);
	return 0;
}
