// SPDX-License-Identifier: Apache-2.0
// The machine's name.
#include "hostname.h"

#include "lib/alloc.h"
#include "lib/log.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HOSTNAME_DEFAULT "boot2docker"

bool hostname_is_valid(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (len == 0 || len > 64)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];

		if (c == '.' || c == '\0') {
			if (label == 0 || label > 63 || name[i - 1] == '-')
				return false;
			label = 0;
		} else if (!isalnum((unsigned char)c) && (c != '-' || label == 0)) {
			return false;
		} else {
			label++;
		}
	}
	return true;
}

int hostname_set(const struct guest *g, const char *name, struct error *err)
{
	cleanup_free char *hosts = xasprintf("127.0.0.1 localhost localhost.local %s\n"
					     "::1 localhost ip6-localhost ip6-loopback\n"
					     "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
					     name);
	cleanup_free char *line = xasprintf("%s\n", name);
	int r;

	if (!hostname_is_valid(name))
		return error_say(err, EINVAL, "\"%.80s\" is not a host name: give letters, digits, hyphens and dots",
				 name);
	if (sethostname(name, strlen(name)) < 0)
		return error_set(err, errno, "set the host name to %s", name);
	r = guest_write(g, "/etc/hostname", line, err);
	return r < 0 ? r : guest_write(g, "/etc/hosts", hosts, err);
}

int hostname_apply(struct guest *g, struct error *err)
{
	cleanup_free char *kept = guest_read(g, GUEST_DATA "/etc/hostname");

	if (kept && !hostname_is_valid(kept)) {
		log_warn("%s/etc/hostname holds no host name; %s is taken", GUEST_DATA, HOSTNAME_DEFAULT);
		return hostname_set(g, HOSTNAME_DEFAULT, err);
	}
	return hostname_set(g, kept ? kept : HOSTNAME_DEFAULT, err);
}

int hostname_main(int argc, char **argv)
{
	struct guest g = { .root = "" };
	struct error err = ERROR_INIT;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: sethostname NAME\n"
				"Changes the host name at once: kernel, /etc/hosts, /etc/hostname.\n");
		return 1;
	}
	if (hostname_set(&g, argv[1], &err) < 0) {
		fprintf(stderr, "sethostname: %s\n", err.msg);
		return 1;
	}
	return 0;
}
