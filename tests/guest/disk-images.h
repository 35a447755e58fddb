// SPDX-License-Identifier: Apache-2.0
// Disk images for the tests, made by the tools that make such disks, or by hand where a disk has to be wrong.
#pragma once

#include "lib/buf.h"

#include <stdint.h>

#define MIB (1024ULL * 1024)

// Adds a member to an archive; nothing of it is checked, so that it can be wrong.
void tar_add(struct buf *b, const char *name, char type, const char *data, size_t len, const char *link);
// The 4096 bytes that the host puts at the start of a raw disk.
void tar_magic(struct buf *b);

// A sparse file of `size` bytes that begins with `start`. The caller frees the path.
char *disk_image(const char *folder, const char *name, uint64_t size, const void *start, size_t len);
// Writes a boot image of ours, made at that time ("20261124102030"), of ISO_LEN bytes.
#define ISO_LEN ((64 + 8192 + 2048) * 512)
#define ISO_DATE "20261124102030"
#define ISO_VERSION "2026-11-24-10-20-30-00" // the same, as the running system has it
void disk_put_iso(const char *path, const char *date);
void disk_put(const char *path, uint64_t offset, const void *data, size_t len);
// Runs a program that must succeed.
void run(const char *const *argv);
void make_file_system(const char *program, const char *path, const char *label); // mkfs.ext4, mkfs.btrfs
void make_table(const char *path, const char *script); // for sfdisk
// Copies `count` bytes (whole MiB) of a disk at `skip` into a file of their own, to be judged by tools.
void cut(const char *disk, uint64_t skip, uint64_t count, const char *to);
// A checksum of the bytes; holes are passed over quickly.
uint64_t image_hash(const char *path);
