// SPDX-License-Identifier: Apache-2.0
// What a hypervisor is handed to boot a machine from: kernel, initrd and layers, taken out of an image once and shared by all
// machines of that image.
//
// They are in the machine's folder below system/: vmlinuz; vmlinux, the same kernel unpacked, when it can be started by PVH;
// initrd.img; and the layers of the system as NAME.squashfs, which become disks (HACKING.md, "What the host hands to a machine").
// The files are hard links to those in STORE/cache/systems/DIGEST, so many machines of one image take its space once, on the disk
// and in the host's page cache.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>

struct context;
struct machine;

// The two files of an image that a system is made from.
#define SYSTEM_KERNEL "vmlinuz"
#define SYSTEM_INITRD "initrd.img"

// Gives the machine the system whose SYSTEM_KERNEL and SYSTEM_INITRD `fetch` puts into the folder it is given; `digest`
// (hexadecimal) names the image, and `fetch` is called only when the cache has no system of that name. An earlier system/ of the
// machine is replaced as a whole. Systems in the cache that no machine has any more are removed.
int system_install(const struct machine *m, const char *digest,
		   int (*fetch)(const char *from, const char *into_dir, struct error *err), const char *from,
		   struct error *err) MUST_CHECK;

// The folder of the cache, STORE/cache/systems. A system in it is complete, but for the one that is being made. The caller frees.
char *system_cache(const struct context *ctx);
#define SYSTEM_UNFINISHED "unfinished"
// Keeps others from making, taking and removing systems of the cache until the fd is closed.
int system_cache_lock(const struct context *ctx, int *ret_fd, struct error *err) MUST_CHECK;
// Is the system at this path of the cache a machine's, too? One whose files have no other link is no machine's.
bool system_is_used(const char *system);

// The digest by which the cache knows the machine's system; NULL: it has it no more, or could not share it. The caller frees.
char *system_digest(const struct machine *m);
// A file below system/. The caller frees.
char *system_path(const struct machine *m, const char *file);
// The names of the layers' files, in name order.
void system_layers(const struct machine *m, struct strv *ret);
