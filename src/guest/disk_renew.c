// SPDX-License-Identifier: Apache-2.0
// Other identifiers for a disk; see disk_renew.h.
//
// sfdisk changes one identifier at a time. It writes the backup table first, and each table's header last (UEFI 2.10, section 5.3.2, and
// libfdisk): whenever the power goes, one of the two is whole. The kernel is not told, since nothing that it knows has changed.
#include "disk_renew.h"

#include "disk_grow.h"
#include "disk_prepare.h"
#include "lib/alloc.h"
#include "lib/macros.h"
#include "lib/proc.h"
#include "uuid.h"

// Of a partition, or of the table itself: number 0.
static int renew(const char *path, int number, struct error *err)
{
	cleanup_free char *text = xasprintf("%d", number);
	cleanup_free char *uuid = NULL;
	int r = uuid_draw_text(&uuid, err);
	const char *partition[] = { "sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--part-uuid", path,
				    text,     uuid, NULL };
	const char *table[] = { "sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--disk-id", path, uuid, NULL };

	return r == 0 ? proc_output(number ? partition : table, NULL, err) : r;
}

int disk_renew_identifiers(const char *path, struct error *err)
{
	cleanup_free struct disk_partition *parts = xcalloc(DISK_PARTITIONS_MAX, sizeof(*parts));
	uint64_t size;
	int count = disk_read_partitions(path, parts, &size, err);
	int r = count < 0 ? count : 0;

	if (count > 0 && parts[0].mbr_type != 0)
		return 0;
	if (count > 0)
		r = renew(path, 0, err);
	for (int i = 0; r == 0 && i < count; i++) {
		r = renew(path, parts[i].number, err);
		if (r == 0 && parts[i].is_swap)
			r = disk_write_swap(path, parts[i].start, parts[i].size, DISK_SWAP_LABEL, err);
	}
	return r == 0 ? disk_flush(path, err) : r;
}
