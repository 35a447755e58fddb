// SPDX-License-Identifier: Apache-2.0
// The kernel and its modules: chosen by name, closed over what they depend on, unpacked, and indexed by depmod.
#pragma once

#include "image/manifest.h"
#include "image/packages.h"
#include "image/tree.h"

struct kernel {
	char *release; // "6.12.117+deb13-amd64"
	struct blob *image; // vmlinuz
	size_t module_count; // as chosen and closed over
};

// Where it comes from; in Debian 13 all are the same.
struct kernel_packages {
	const struct package *image; // vmlinuz
	const struct package *modules;
	const struct package *lists; // modules.builtin, modules.order: what depmod reads besides
};

// Puts the manifest's modules below /usr/lib/modules of `root`, each in the layer of the list that asks for it first,
// uncompressed, with the indexes that depmod makes (in the first layer), and those that the initrd inserts into /boot of
// `initrd`, with the list /boot/modules. A module that the kernel does not have, neither as a file nor built in, is an
// error that names the list. `scratch` is a folder for depmod.
int kernel_add(const struct manifest *m, const struct kernel_packages *from, const char *scratch, struct node *root,
	       struct node *initrd, struct kernel *ret, struct error *err) MUST_CHECK;
void kernel_done(struct kernel *k);

// The value of a key in a module's .modinfo ("depends", "softdep"), or NULL; `from` goes on after an earlier one.
const char *kernel_modinfo(const unsigned char *info, size_t len, const char *key, const char *from);
