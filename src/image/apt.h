// SPDX-License-Identifier: Apache-2.0
// Packages of Debian, fetched by apt into a private root in the cache: its own sources, lists and status. The host's apt
// state is read for its mirrors and its Acquire settings (proxies), and never changed. Signatures are always verified.
#pragma once

#include "lib/error.h"
#include "lib/strv.h"

#include <stdbool.h>

struct apt_spec {
	const char *cache; // the folder for everything that can be fetched again
	const char *suite; // "trixie"
	const char *mirror; // URL, or NULL: those of the host's apt
	const char *security_mirror; // URL, "none", or NULL: from the host, or derived from `mirror`
	const char *keyring; // NULL: the debian-archive-keyring package's
	bool update; // refresh the package lists even when they are fresh
};

struct apt_package {
	char *name;
	char *version;
	char *path; // of the .deb in the cache, its hash verified
	char sha256[65];
};

struct apt_set {
	struct apt_package *items; // sorted by name
	size_t count;
};

// Prepares the private root and refreshes the lists when they are older than a day, were made for other sources, or when
// asked. When that fails and older lists are there, a warning is logged and they serve (a warm cache works offline).
int apt_prepare(const struct apt_spec *spec, struct error *err) MUST_CHECK;

// The versioned package that a meta package depends on ("linux-image-amd64" -> "linux-image-6.12.…-amd64"), or its own
// name when it depends on none whose name begins the same way.
int apt_resolve_meta(const struct apt_spec *spec, const char *package, char **ret, struct error *err) MUST_CHECK;

// Appends the packages of shared libraries that the named packages depend on, directly or not. By Debian's policy their names
// begin with "lib"; zlib1g is the exception.
int apt_libraries(const struct apt_spec *spec, const struct strv *names, struct strv *ret,
		  struct error *err) MUST_CHECK;

// Has the candidate version of every package in the cache; fetches what is missing or damaged.
int apt_fetch(const struct apt_spec *spec, const struct strv *names, struct apt_set *ret, struct error *err) MUST_CHECK;
void apt_set_done(struct apt_set *set);
const struct apt_package *apt_set_find(const struct apt_set *set, const char *name);

// Appends the packages whose names begin with `prefix`: a hint for error messages. Failures give no hint.
void apt_names_like(const struct apt_spec *spec, const char *prefix, struct strv *ret);
