// SPDX-License-Identifier: Apache-2.0
// What the image is made of: a profile, the slices it names, and the lists of kernel modules, read and checked, not acted on.
// The statements are described in doc/image-builder.md; the tables in manifest.c are their whole list.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>

enum rule_kind {
	RULE_FILE, // GLOB…: paths of the current package
	RULE_ALL, // all of the current package below /usr and /etc, but documentation
	RULE_CONCAT, // PATH GLOB: one file from many of the current package
	RULE_LINK, // PATH TARGET
	RULE_LINKS, // TARGET DIR NAME…: many names for one target
	RULE_DIR, // PATH MODE [USER GROUP]
	RULE_MODE, // PATH MODE [USER GROUP]: of something that is there already
	RULE_OVERLAY, // DIR: a folder of the distro directory, laid over the root
	RULE_PROGRAM, // NAME PATH [MODE]: one of the guest programs
	RULE_USERS, // the files in /etc that are made of distro/users
};

#define LAYER_INITRD (-1) // beside the layers: the initrd's own small tree

struct rule {
	enum rule_kind kind;
	struct strv args;
	char *package; // RULE_FILE, RULE_ALL, RULE_CONCAT
	char *slice; // the name of the slice file
	char *where; // "FILE:LINE", for errors
	int layer; // index, or LAYER_INITRD
};

struct layer {
	char *name; // as slices say it
	char *file; // "10-base"
	struct strv options; // for mksquashfs
	bool is_extension; // not part of the image, but a file beside it, for machines that want it; after all others
};

// A package that something is taken from.
struct package_use {
	char *name;
	char *where; // who asked first
	bool is_pool; // shared libraries are taken from it as programs need them
	bool is_named; // something of it is taken by name
};

// A kernel module that a list names.
struct module_use {
	char *name;
	char *where; // "FILE:LINE"
	int layer;
};

struct manifest {
	char *directory; // the distro directory
	char *kernel; // package of the kernel; a meta package is resolved through its Depends
	char *kernel_source, *kernel_config; // instead of it: the source's package, and the folder of its configuration
	char *version_package; // whose upstream version is the image's
	char *volume; // volume name of the ISO, with @VERSION@
	char *cmdline; // of the boot menus: @CMDLINE@
	struct layer *layers; // in the order of the profile
	size_t layer_count;
	struct rule *rules;
	size_t rule_count;
	struct package_use *packages;
	size_t package_count;
	struct strv initrd_pack; // the program that packs the initrd as a whole, and its options; empty: none does
	struct strv boot_packages; // packages that the ISO's boot loaders come from
	struct module_use *modules; // in the order of the profile; early ones have the layer LAYER_INITRD
	size_t module_count;
};

// Reads DISTRO/profiles/PROFILE and all that it names; DISTRO/slices/SUITE/NAME.slice goes before DISTRO/slices/NAME.slice. Errors
// name file and line.
int manifest_read(const char *distro, const char *profile, const char *suite, struct manifest *ret,
		  struct error *err) MUST_CHECK;
void manifest_done(struct manifest *m);
#define cleanup_manifest CLEANUP(manifest_done)

// Reads one slice's text into `m`, whose layers are set already; the fuzzer's way in.
int manifest_read_slice_text(struct manifest *m, const char *what, const char *text, size_t len,
			     struct error *err) MUST_CHECK;
const char *manifest_layer_name(const struct manifest *m, int layer);
int manifest_last_layer(const struct manifest *m); // of the image; extensions come after it
