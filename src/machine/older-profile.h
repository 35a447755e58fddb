// SPDX-License-Identifier: Apache-2.0
// The profile of the older boot2docker tool: a file of KEY = VALUE lines (TOML), which says what its verbs work on and what
// `init` makes. Not to be confused with the engine's profile in the guest (profile.h).
#pragma once

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/option.h"

// Its settings; each key is a flag, too, in lower case (--memory, --disksize, …).
struct older_profile {
	char *vm, *driver, *iso, *iso_url, *ssh_key;
	int disk_size, memory, cpus; // MB, MB, number; 0: the driver's default
	int ssh_port, docker_port; // 0: a free one
	char *host_ip, *lower_ip, *upper_ip, *netmask, *dhcp_ip;
	bool dhcp_enabled;
};

extern const struct option_row older_profile_rows[];

// $BOOT2DOCKER_PROFILE, else $BOOT2DOCKER_DIR/profile, else ~/.boot2docker/profile. NULL: no HOME. The caller frees.
char *older_profile_path(void);
// Reads a profile's text and appends "--key=value" for each key that we know; others are left out. Errors name the line.
int older_profile_parse(const char *text, size_t len, struct strv *ret_flags, struct error *err) MUST_CHECK;
// The same of the profile in use; no such file: nothing is appended.
int older_profile_read(struct strv *ret_flags, struct error *err) MUST_CHECK;
// The settings as TOML.
void older_profile_write(const struct older_profile *p, struct buf *ret);
