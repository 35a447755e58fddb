// SPDX-License-Identifier: Apache-2.0
// Where packages come from and where they are kept, as options.

#include "image/fetch_options.h"

#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>
#include <unistd.h>

const struct option_row fetch_option_rows[] = {
	{ "cache", 'c', OPTION_STRING, offsetof(struct fetch_options, cache), "B2D_CACHE", NULL, "DIR",
	  "downloads and finished parts (default: $XDG_CACHE_HOME/boot2docker, ~/.cache/boot2docker)" },
	{ "suite", 0, OPTION_STRING, offsetof(struct fetch_options, suite), NULL, "trixie", "NAME",
	  "release of Debian" },
	{ "mirror", 'm', OPTION_STRING, offsetof(struct fetch_options, mirror), "B2D_MIRROR", NULL, "URL",
	  "mirror of Debian (default: the host's own)" },
	{ "security-mirror", 0, OPTION_STRING, offsetof(struct fetch_options, security_mirror), "B2D_SECURITY_MIRROR",
	  NULL, "URL",
	  "mirror of its security updates (default with --mirror: URL-security; \"none\": only the suite itself)" },
	{ "keyring", 0, OPTION_STRING, offsetof(struct fetch_options, keyring), NULL, NULL, "FILE",
	  "keys that sign the mirror (default: debian-archive-keyring's)" },
	{ "jobs", 'j', OPTION_INT, offsetof(struct fetch_options, jobs), NULL, "0", "N",
	  "threads (0: one for each processor)", 0, 64 },
	{ "update", 'u', OPTION_BOOL, offsetof(struct fetch_options, update), NULL, NULL, NULL,
	  "refresh the package lists, even when they are not a day old" },
	{ "quiet", 'q', OPTION_BOOL, offsetof(struct fetch_options, quiet), NULL, NULL, NULL,
	  "warnings and errors only" },
	{ "help", 'h', OPTION_BOOL, offsetof(struct fetch_options, help), NULL, NULL, NULL, "this text" },
	{ NULL },
};

static int choose_cache(struct fetch_options *o, struct error *err)
{
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (o->cache)
		return 0;
	if (xdg && *xdg)
		o->cache = path_join(xdg, "boot2docker");
	else if (home && *home)
		o->cache = path_join(home, ".cache/boot2docker");
	else
		return error_say(err, ENOENT, "no place for the cache: set HOME, or give --cache DIR");
	return 0;
}

int make_absolute(char **path, struct error *err)
{
	cleanup_free char *cwd = NULL;
	char *whole;

	if (!*path || (*path)[0] == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return error_set(err, errno, "find the current folder");
	whole = path_join(cwd, *path);
	free(*path);
	*path = whole;
	return 0;
}

int fetch_options_resolve(struct fetch_options *o, struct error *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int r = choose_cache(o, err);

	if (r == 0)
		r = make_absolute(&o->cache, err);
	if (r == 0)
		r = make_absolute(&o->keyring, err);
	if (o->jobs == 0)
		o->jobs = processors < 1 ? 1 : processors > 64 ? 64 : (int)processors;
	if (o->quiet)
		log_set_level(LOG_LEVEL_WARN);
	return r;
}

struct apt_spec fetch_options_apt(const struct fetch_options *o)
{
	return (struct apt_spec){ .cache = o->cache,
				  .suite = o->suite,
				  .mirror = o->mirror,
				  .security_mirror = o->security_mirror,
				  .keyring = o->keyring,
				  .update = o->update };
}
