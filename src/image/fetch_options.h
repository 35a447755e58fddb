// SPDX-License-Identifier: Apache-2.0
// The options that every command has which fetches packages. Its own struct begins with this one.
#pragma once

#include "image/apt.h"
#include "lib/error.h"
#include "lib/option.h"

#include <stdbool.h>

struct fetch_options {
	char *cache, *suite, *mirror, *security_mirror, *keyring;
	int jobs;
	bool update, quiet, help;
};

extern const struct option_row fetch_option_rows[];

// Fills in what depends on the host: the cache's place, absolute paths, the number of jobs; sets the log's level.
int fetch_options_resolve(struct fetch_options *o, struct error *err) MUST_CHECK;
struct apt_spec fetch_options_apt(const struct fetch_options *o); // its strings are those of the options

// apt and depmod want absolute paths, whatever folder they run in. NULL stays NULL.
int make_absolute(char **path, struct error *err) MUST_CHECK;
