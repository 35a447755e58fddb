// SPDX-License-Identifier: Apache-2.0
// Making a data disk.
//
// Theory of operation
//
// The magic that allows us to write to the disk lies in its first sectors, where the partition table has to go. So the table is
// written last: mkfs makes the file system, already holding the folders and userdata.tar, at the offset where its partition
// will be; then the swap signature; then all that reaches the disk; then sfdisk writes the table, whose protective MBR (the
// last thing that libfdisk writes) replaces the magic in one sector. Before that moment the disk asks to be formatted, after
// it the disk is whole. The swap signature is written here rather than by mkswap, which cannot write at an offset in every
// version that people build with.
#include "disk_prepare.h"

#include "disk.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MIB (1024ULL * 1024)
#define SWAP_PAGE 4096
#define ZEROED_AT_ONCE_MAX (64ULL * 1024 * MIB) // a disk with 2 GiB of inode tables
#define SYSFS_MAX 4096

int disk_layout(uint64_t size, struct disk_layout *ret, struct error *err)
{
	uint64_t swap = size < 4000000000ULL ? size / 4 : 1000000000ULL;
	uint64_t end = size / MIB * MIB - MIB; // the last MiB holds the second partition table

	if (size < 64 * MIB)
		return error_say(err, ENOSPC, "a disk of %llu bytes is too small for data: give it 64 MiB at least",
				 (unsigned long long)size);
	swap = swap / MIB * MIB;
	*ret = (struct disk_layout){ .data_start = MIB, .swap_size = swap, .swap_start = end - swap };
	ret->data_size = ret->swap_start - ret->data_start;
	return 0;
}

// The signature of mkswap(8): one page with version, last page, UUID and label at byte 1024, and the magic at its end.
int disk_write_swap(const char *path, uint64_t offset, uint64_t size, const char *label, struct error *err)
{
	uint8_t page[SWAP_PAGE] = { 0 };
	uint32_t header[3] = { 1, (uint32_t)(size / SWAP_PAGE - 1), 0 };
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	memcpy(page + 1024, header, sizeof(header));
	int r = uuid_draw(page + 1036, err);
	if (r < 0)
		return r;
	memcpy(page + 1052, label, strnlen(label, 16));
	memcpy(page + SWAP_PAGE - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, page, sizeof(page), (off_t)offset) != (ssize_t)sizeof(page))
		return error_set(err, errno, "write a swap signature to %s", path);
	return 0;
}

uint64_t disk_read_swap(int fd, uint64_t offset, const char *label)
{
	uint8_t page[SWAP_PAGE];
	uint32_t header[2];

	if (pread(fd, page, sizeof(page), (off_t)offset) != (ssize_t)sizeof(page) ||
	    memcmp(page + SWAP_PAGE - 10, "SWAPSPACE2", 10) != 0 || strncmp((char *)page + 1052, label, 16) != 0)
		return 0;
	memcpy(header, page + 1024, sizeof(header));
	return header[0] == 1 ? ((uint64_t)header[1] + 1) * SWAP_PAGE : 0;
}

static int make_staging(const char *staging, const void *userdata, struct error *err)
{
	cleanup_free char *docker = path_join(staging, "var/lib/docker");
	cleanup_free char *ours = path_join(staging, "var/lib/boot2docker");
	cleanup_free char *tmp = path_join(staging, "tmp");
	cleanup_free char *tar = path_join(ours, "userdata.tar");
	int r = file_remove_tree(staging, err);

	if (r == 0)
		r = file_mkdirs(docker, 0755, err);
	if (r == 0)
		r = file_mkdirs(ours, 0755, err);
	if (r == 0)
		r = file_mkdirs(tmp, 0755, err);
	if (r < 0)
		return r;
	if (chmod(docker, 0710) < 0 || chmod(tmp, 01777) < 0)
		return error_set(err, errno, "set modes below %s", staging);
	return userdata ? file_replace(tar, userdata, DISK_MAGIC_LEN, 0600, err) : 0;
}

// Whether the disk takes a command to write zeros, as a hypervisor's does, for which that is a note in the image. (Linux,
// Documentation/ABI/stable/sysfs-block: write_zeroes_max_bytes.)
static bool has_zeroes_command(const char *path)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct stat st;
	uint64_t most;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	cleanup_free char *limit =
		xasprintf("/sys/dev/block/%u:%u/queue/write_zeroes_max_bytes", major(st.st_rdev), minor(st.st_rdev));
	if (file_read(limit, SYSFS_MAX, &text, NULL) < 0)
		return false;
	buf_trim_end(&text);
	return number_parse_u64(buf_str(&text), 0, UINT64_MAX, &most, NULL) == 0 && most > 0;
}

// Tables of inodes that are not zeros yet would be written by the kernel, while the machine is at work already: for ten seconds after its
// first boot, and in each that is born from a template anew. Where zeros cost nothing they are written now; not on a large disk, which
// may be a real one behind its command.
static const char *table_options(const char *path, const struct disk_layout *layout)
{
	bool at_once = layout->data_size <= ZEROED_AT_ONCE_MAX && has_zeroes_command(path);

	return at_once ? "lazy_itable_init=0,lazy_journal_init=0" : "lazy_itable_init=1,lazy_journal_init=1";
}

static int make_file_system(const char *path, const struct disk_layout *layout, const char *staging, struct error *err)
{
	cleanup_free char *extended = xasprintf("offset=%llu,%s,nodiscard", (unsigned long long)layout->data_start,
						table_options(path, layout));
	cleanup_free char *size = xasprintf("%lluk", (unsigned long long)layout->data_size / 1024);
	// An orphan file's blocks, 512 on an ordinary disk, are read one by one at each mount. With a seed of their own for checksums the file
	// system's identifier can be changed while it is mounted (identity.c).
	const char *argv[] = {
		"mkfs.ext4", "-q",    "-F", "-L",     DISK_LABEL, "-i", "8192", "-O", "^orphan_file,metadata_csum_seed",
		"-d",        staging, "-E", extended, path,       size, NULL
	};
	struct proc_spec spec = { .argv = argv, .timeout_ms = 180000 };

	return proc_check(&spec, err);
}

int disk_write_table(const char *path, const char *option, const char *script, struct error *err)
{
	const char *argv[] = { "sfdisk", "-q", "--wipe", "never", "--wipe-partitions", "never", path, NULL, NULL };
	struct proc_spec spec = {
		.argv = argv, .in = PROC_DATA, .input = script, .input_len = strlen(script), .timeout_ms = 30000
	};

	if (option) {
		argv[6] = option;
		argv[7] = path;
	}
	return proc_check(&spec, err);
}

static int write_layout(const char *path, const struct disk_layout *layout, struct error *err)
{
	cleanup_free char *table = xasprintf(
		"label: gpt\n"
		"start=%lluKiB, size=%lluKiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=\"" DISK_LABEL "\"\n"
		"start=%lluKiB, size=%lluKiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, name=\"" DISK_SWAP_LABEL
		"\"\n",
		(unsigned long long)layout->data_start / 1024, (unsigned long long)layout->data_size / 1024,
		(unsigned long long)layout->swap_start / 1024, (unsigned long long)layout->swap_size / 1024);

	return disk_write_table(path, NULL, table, err);
}

// The table's sector ends in the signature of a boot sector, so a BIOS that meets this disk before the CD or stick runs what it
// begins with. "int 18h" sends it on to the next device (BIOS Boot Specification 1.01, section 6.7); zeros would hang it.
static int write_boot_code(const char *path, struct error *err)
{
	static const uint8_t code[] = { 0xcd, 0x18, 0xf4, 0xeb, 0xfd }; // int 18h; hlt; jmp to the hlt
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, code, sizeof(code), 0) != (ssize_t)sizeof(code))
		return error_set(err, errno, "write boot code to %s", path);
	return 0;
}

int disk_flush(const char *path, struct error *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_set(err, errno, "flush %s", path);
	return 0;
}

int disk_make_data(const char *path, const struct disk_layout *layout, const char *staging, const void *userdata,
		   struct error *err)
{
	int r = make_staging(staging, userdata, err);

	if (r == 0)
		r = make_file_system(path, layout, staging, err);
	if (r == 0)
		r = disk_flush(path, err);
	(void)!file_remove_tree(staging, NULL);
	return r;
}

int disk_prepare(const char *path, uint64_t size, const char *staging, const void *userdata, struct error *err)
{
	struct disk_layout layout = { .data_start = 0 };
	int r = disk_layout(size, &layout, err);

	if (r == 0)
		r = disk_make_data(path, &layout, staging, userdata, err);
	if (r == 0)
		r = disk_write_swap(path, layout.swap_start, layout.swap_size, DISK_SWAP_LABEL, err);
	if (r == 0)
		r = disk_flush(path, err);
	if (r == 0)
		r = write_layout(path, &layout, err);
	if (r == 0)
		r = write_boot_code(path, err);
	if (r == 0)
		r = disk_flush(path, err);
	return r < 0 ? error_wrap(err, "preparing %s", path) : 0;
}
