// SPDX-License-Identifier: Apache-2.0
// Disk images for the tests.
#include "disk-images.h"

#include "../unit/test.h"
#include "disk.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "tar.h"

#include <fcntl.h>
#include <stdio.h>

void tar_add(struct buf *b, const char *name, char type, const char *data, size_t len, const char *link)
{
	uint8_t header[TAR_BLOCK] = { 0 };
	static const uint8_t zero[TAR_BLOCK];
	unsigned int sum = 0;

	snprintf((char *)header, 100, "%s", name);
	snprintf((char *)header + 100, 8, "%07o", type == '5' ? 0700 : 0644);
	snprintf((char *)header + 124, 12, "%011zo", len);
	snprintf((char *)header + 157, 100, "%s", link ? link : "");
	memcpy(header + 257, "ustar\00000", 8);
	header[156] = (uint8_t)type;
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	buf_add(b, header, TAR_BLOCK);
	buf_add(b, data, len);
	if (len % TAR_BLOCK)
		buf_add(b, zero, TAR_BLOCK - len % TAR_BLOCK);
}

void tar_magic(struct buf *b)
{
	static const uint8_t zero[DISK_MAGIC_LEN];

	tar_add(b, TAR_MAGIC_NAME, '0', TAR_MAGIC_NAME, strlen(TAR_MAGIC_NAME), NULL);
	tar_add(b, ".ssh", '5', "", 0, NULL);
	tar_add(b, ".ssh/authorized_keys", '0', "ssh-ed25519 AAAA x\n", 19, NULL);
	buf_add(b, zero, DISK_MAGIC_LEN - b->len);
}

char *disk_image(const char *folder, const char *name, uint64_t size, const void *start, size_t len)
{
	char *path = path_join(folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	disk_put(path, 0, start, len);
	return path;
}

// A primary volume descriptor (ECMA-119, 8.4) and a partition table as src/image/iso.c has them made.
void disk_put_iso(const char *path, const char *date)
{
	static const uint8_t table[] = {
		0x80, 0, 0, 0, 0x17, 0, 0, 0, 64, 0,  0, 0, 0, 32, 0, 0, // the image: sectors 64 to 8255
		0,    0, 0, 0, 0xef, 0, 0, 0, 64, 32, 0, 0, 0, 8,  0, 0, // and 2048 sectors of the EFI partition
	};
	uint8_t descriptor[2048] = "\1CD001\1";

	memset(descriptor + 40, ' ', 32);
	memcpy(descriptor + 40, "Boot2Docker-v1.2.3", 18);
	memcpy(descriptor + 813, "2026112410203000", 17); // created, modified
	memcpy(descriptor + 830, "2026112410203000", 17);
	for (int i = 0; i < 14; i++)
		descriptor[830 + i] = (uint8_t)date[i];
	disk_put(path, 32768, descriptor, sizeof(descriptor));
	disk_put(path, 32768 + 2048, "\377CD001\1", 7);
	disk_put(path, 446, table, sizeof(table));
	disk_put(path, 510, "\x55\xaa", 2);
}

void disk_put(const char *path, uint64_t offset, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
	close(fd);
}

void run(const char *const *argv)
{
	struct error err = ERROR_INIT;

	assert_ok(proc_output(argv, NULL, &err), &err);
}

void make_file_system(const char *program, const char *path, const char *label)
{
	const char *argv[] = { program, "-q", strncmp(program, "mkfs.ext", 8) == 0 ? "-F" : "-f", "-L", label,
			       path,    NULL };

	run(argv);
}

void make_table(const char *path, const char *script)
{
	const char *argv[] = { "sfdisk", "-q", path, NULL };
	struct proc_spec spec = { .argv = argv, .in = PROC_DATA, .input = script, .input_len = strlen(script) };
	struct error err = ERROR_INIT;

	assert_ok(proc_check(&spec, &err), &err);
}

void cut(const char *disk, uint64_t skip, uint64_t count, const char *to)
{
	cleanup_free char *from = xasprintf("if=%s", disk), *out = xasprintf("of=%s", to);
	cleanup_free char *at = xasprintf("skip=%llu", (unsigned long long)(skip / MIB));
	cleanup_free char *size = xasprintf("count=%llu", (unsigned long long)(count / MIB));
	const char *argv[] = { "dd", "bs=1M", "status=none", "conv=sparse", from, out, at, size, NULL };

	run(argv);
}

uint64_t image_hash(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a over offsets and bytes
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0;

	assert_true(fd >= 0);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		uint8_t block[4096];
		ssize_t len = pread(fd, block, sizeof(block), at);
		bool zero = true;

		for (ssize_t i = 0; i < len; i++)
			zero = zero && block[i] == 0;
		if (len <= 0)
			break;
		for (ssize_t i = 0; !zero && i < len; i++)
			hash = (hash ^ block[i] ^ ((uint64_t)(at + i) << 8)) * 0x100000001b3ULL;
		at += len;
	}
	close(fd);
	return hash;
}
