// SPDX-License-Identifier: Apache-2.0
// b2d-image: builds the image of Boot2Docker from Debian packages and the manifests in distro/.

#include "image/build.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/option.h"
#include "lib/path.h"

#include "lib/version.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct options {
	char *distro, *profile, *programs, *output, *cache, *suite, *mirror, *security_mirror, *keyring, *epoch;
	int jobs;
	bool update, no_iso, quiet, help;
};

static const struct option_row build_options[] = {
	{ "distro", 'd', OPTION_STRING, offsetof(struct options, distro), NULL, "distro", "DIR", "the manifests" },
	{ "profile", 'p', OPTION_STRING, offsetof(struct options, profile), NULL, "dev", "NAME",
	  "which of distro/profiles" },
	{ "programs", 0, OPTION_STRING, offsetof(struct options, programs), NULL, "build/src/guest", "DIR",
	  "where the guest programs were built" },
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), NULL, "build/image", "DIR",
	  "where the results go" },
	{ "cache", 'c', OPTION_STRING, offsetof(struct options, cache), "B2D_CACHE", NULL, "DIR",
	  "downloads and finished layers (default: $XDG_CACHE_HOME/boot2docker, ~/.cache/boot2docker)" },
	{ "suite", 0, OPTION_STRING, offsetof(struct options, suite), NULL, "trixie", "NAME", "release of Debian" },
	{ "mirror", 'm', OPTION_STRING, offsetof(struct options, mirror), "B2D_MIRROR", NULL, "URL",
	  "mirror of Debian (default: the host's own)" },
	{ "security-mirror", 0, OPTION_STRING, offsetof(struct options, security_mirror), "B2D_SECURITY_MIRROR", NULL,
	  "URL",
	  "mirror of its security updates (default with --mirror: URL-security; \"none\": only the suite itself)" },
	{ "keyring", 0, OPTION_STRING, offsetof(struct options, keyring), NULL, NULL, "FILE",
	  "keys that sign the mirror (default: debian-archive-keyring's)" },
	{ "epoch", 0, OPTION_STRING, offsetof(struct options, epoch), "SOURCE_DATE_EPOCH", "0", "SECONDS",
	  "the time of every file in the image" },
	{ "jobs", 'j', OPTION_INT, offsetof(struct options, jobs), NULL, "0", "N",
	  "threads (0: one for each processor)", 0, 64 },
	{ "update", 'u', OPTION_BOOL, offsetof(struct options, update), NULL, NULL, NULL,
	  "refresh the package lists, even when they are not a day old" },
	{ "no-iso", 0, OPTION_BOOL, offsetof(struct options, no_iso), NULL, NULL, NULL, "kernel and initrd only" },
	{ "quiet", 'q', OPTION_BOOL, offsetof(struct options, quiet), NULL, NULL, NULL, "warnings and errors only" },
	{ "help", 'h', OPTION_BOOL, offsetof(struct options, help), NULL, NULL, NULL, "this text" },
	{ NULL },
};

static const struct option_row *const tables[] = { build_options, NULL };

static void print_help(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_puts(&text, "Usage: b2d-image build [OPTION…]\n\n"
			"Builds vmlinuz, initrd.img, boot2docker.iso and packages.txt.\n\n");
	option_help(tables, &text);
	fputs(buf_str(&text), stdout);
}

static int choose_cache(struct options *o, struct error *err)
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

// apt and depmod want absolute paths, whatever folder they run in.
static int make_absolute(char **path, struct error *err)
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

static int build_with(struct options *o, struct error *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t epoch;
	int r;

	// squashfs has 32 bits for a time.
	r = number_parse_i64(o->epoch, 0, UINT32_MAX, &epoch, err);
	if (r < 0)
		return error_wrap(err, "--epoch (SOURCE_DATE_EPOCH)");
	r = choose_cache(o, err);
	if (r == 0)
		r = make_absolute(&o->cache, err);
	if (r == 0)
		r = make_absolute(&o->output, err);
	if (r == 0)
		r = make_absolute(&o->keyring, err);
	if (r < 0)
		return r;
	if (o->jobs == 0)
		o->jobs = processors < 1 ? 1 : processors > 64 ? 64 : (int)processors;
	unsetenv("SOURCE_DATE_EPOCH"); // from here on it is an argument; mksquashfs refuses to be told in two ways
	if (o->quiet)
		log_set_level(LOG_LEVEL_WARN);
	return build_run(&(struct build_spec){ .distro = o->distro,
					       .profile = o->profile,
					       .programs = o->programs,
					       .output = o->output,
					       .cache = o->cache,
					       .suite = o->suite,
					       .mirror = o->mirror,
					       .security_mirror = o->security_mirror,
					       .keyring = o->keyring,
					       .epoch = epoch,
					       .jobs = o->jobs,
					       .update = o->update,
					       .no_iso = o->no_iso,
					       .quiet = o->quiet },
			 err);
}

static int command_build(int argc, char **argv, struct error *err)
{
	struct options o = { .jobs = 0 };
	int r = option_parse(tables, &o, argc, argv, &(struct option_parse){ .operands = NULL }, err);

	if (r == 0 && o.help)
		print_help();
	else if (r == 0)
		r = build_with(&o, err);
	option_done(tables, &o);
	return r;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct error err = ERROR_INIT;
	int r = 0;

	signal(SIGPIPE, SIG_IGN); // a program that ends early is an error message, not our death
	log_set_sink(log_sink_stderr, NULL);
	if (strcmp(command, "build") == 0)
		r = command_build(argc - 1, argv + 1, &err);
	else if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
		print_help();
	else if (strcmp(command, "--version") == 0)
		puts("b2d-image " B2D_VERSION);
	else
		r = error_say(&err, EINVAL, "unknown command \"%s\"; see b2d-image --help", command);
	if (r < 0)
		fprintf(stderr, "b2d-image: %s\n", err.msg);
	return r < 0 ? 1 : 0;
}
