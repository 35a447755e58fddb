// SPDX-License-Identifier: Apache-2.0
// The profile: a shell script of the user's that sets variables for the engine.
#pragma once

#include "guest.h"
#include "lib/strv.h"

#include <stdbool.h>

#define PROFILE_FILE GUEST_DATA "/profile"

// The variables a profile may set.
enum profile_name {
	PROFILE_EXTRA_ARGS,
	PROFILE_DOCKER_HOST,
	PROFILE_DOCKER_TLS,
	PROFILE_DOCKER_STORAGE,
	PROFILE_DOCKER_DIR,
	PROFILE_DOCKER_ULIMITS,
	PROFILE_DOCKER_LOGFILE,
	PROFILE_CERTDIR,
	PROFILE_CERT_INTERFACES,
	PROFILE_CACERT,
	PROFILE_CAKEY,
	PROFILE_SERVERCERT,
	PROFILE_SERVERKEY,
	PROFILE_CERT,
	PROFILE_KEY,
	PROFILE_ORG,
	PROFILE_SERVERORG,
	PROFILE_CAORG,
	PROFILE_NTP_SERVER,
	PROFILE_COUNT
};

struct profile {
	char *values[PROFILE_COUNT]; // never NULL once evaluated
	bool is_set[PROFILE_COUNT]; // by the profile, not by default
	struct strv env; // what the profile exported, "NAME=VALUE"
};

// Evaluates ROOT/var/lib/boot2docker/profile as sh does, bounded in time. There is always a result: what cannot be evaluated (a
// syntax error, an endless loop) is logged and every default is taken, although what the shell ran before that is done.
void profile_evaluate(const struct guest *g, struct profile *ret);
void profile_done(struct profile *p);

// Reads what the shell printed: NUL-ended NAME=VALUE of the variables that are set, one empty string, then what `export -p`
// says, NUL-ended. False when it is not whole. Defaults are not filled in.
bool profile_parse_dump(const char *dump, size_t len, struct profile *ret);
