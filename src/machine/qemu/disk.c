// SPDX-License-Identifier: Apache-2.0
// A new machine's disk; see internal.h.
#include "internal.h"

#include "../key.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

enum { TOOL_TIMEOUT_MS = 60 * 1000 };

int qemu_make_disk(const struct machine *m, struct error *err)
{
	cleanup_free char *raw = machine_path(m, "disk.raw.tmp");
	cleanup_free char *disk = machine_path(m, "disk.qcow2");
	cleanup_free char *size = xasprintf("%dM", (int)json_int_at(m->config, "Driver.DiskSize", 0));
	const char *convert[] = { "qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, disk, NULL };
	const char *grow[] = { "qemu-img", "resize", "-q", "-f", "qcow2", disk, size, NULL };

	cleanup_buf struct buf magic = BUF_INIT;
	int r = key_magic_tar(m, &magic, err);
	if (r == 0)
		r = file_replace(raw, magic.data, magic.len, 0600, err);
	if (r == 0)
		r = run_check(convert, TOOL_TIMEOUT_MS, err);
	if (r == 0)
		r = run_check(grow, TOOL_TIMEOUT_MS, err);
	struct error ignored = ERROR_INIT;
	if (file_unlink(raw, &ignored) < 0 && r == 0)
		r = error_say(err, ignored.code, "%s", ignored.msg);
	return r;
}
