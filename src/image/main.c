// SPDX-License-Identifier: Apache-2.0
// b2d-image: builds the image of Boot2Docker from Debian packages and the manifests in distro/.

#include "image/build.h"
#include "image/extension.h"
#include "image/fetch_options.h"
#include "image/kernel_command.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/option.h"

#include "lib/version.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

struct options {
	struct fetch_options fetch;
	struct additions additions;
	char *distro, *profile, *programs, *output, *epoch, *kernel_config;
	bool no_iso;
};

static const struct option_row build_options[] = {
	{ "distro", 'd', OPTION_STRING, offsetof(struct options, distro), NULL, "distro", "DIR", "the manifests" },
	{ "profile", 'p', OPTION_STRING, offsetof(struct options, profile), NULL, "dev", "NAME",
	  "which of distro/profiles" },
	{ "programs", 0, OPTION_STRING, offsetof(struct options, programs), NULL, "build/src/guest", "DIR",
	  "where the guest programs were built" },
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), NULL, "build/image", "DIR",
	  "where the results go" },
	{ "epoch", 0, OPTION_STRING, offsetof(struct options, epoch), "SOURCE_DATE_EPOCH", "0", "SECONDS",
	  "the time of every file in the image" },
	{ "add-package", 0, OPTION_LIST, offsetof(struct options, additions.packages), NULL, NULL, "NAME",
	  "all of a Debian package but its documentation, and the libraries that it needs" },
	{ "add-file", 0, OPTION_LIST, offsetof(struct options, additions.files), NULL, NULL, "SRC:DST",
	  "a file of yours, in the place of what is there" },
	{ "extension", 0, OPTION_LIST, offsetof(struct options, additions.extensions), NULL, NULL, "FILE",
	  "what b2d-image extension made, as a part of the image" },
	{ "kernel-config", 0, OPTION_STRING, offsetof(struct options, kernel_config), NULL, NULL, "FILE",
	  "options for a kernel that is built here, which win over the profile's" },
	{ "no-iso", 0, OPTION_BOOL, offsetof(struct options, no_iso), NULL, NULL, NULL, "kernel and initrd only" },
	{ NULL },
};

static const struct option_row *const tables[] = { build_options, fetch_option_rows, NULL };

static void print_help(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_puts(&text, "Usage: b2d-image build [OPTION…]\n\n"
			"Builds vmlinuz, initrd.img, boot2docker.iso and packages.txt.\n"
			"See also: b2d-image kernel --help, b2d-image extension --help\n\n");
	option_help(tables, &text);
	fputs(buf_str(&text), stdout);
}

static int build_with(struct options *o, struct error *err)
{
	int64_t epoch;
	int r;

	// squashfs has 32 bits for a time.
	r = number_parse_i64(o->epoch, 0, UINT32_MAX, &epoch, err);
	if (r < 0)
		return error_wrap(err, "--epoch (SOURCE_DATE_EPOCH)");
	r = fetch_options_resolve(&o->fetch, err);
	if (r == 0)
		r = make_absolute(&o->output, err);
	if (r < 0)
		return r;
	unsetenv("SOURCE_DATE_EPOCH"); // from here on it is an argument; mksquashfs refuses to be told in two ways
	return build_run(&(struct build_spec){ .distro = o->distro,
					       .profile = o->profile,
					       .programs = o->programs,
					       .output = o->output,
					       .apt = fetch_options_apt(&o->fetch),
					       .additions = &o->additions,
					       .kernel_config = o->kernel_config,
					       .epoch = epoch,
					       .jobs = o->fetch.jobs,
					       .no_iso = o->no_iso,
					       .quiet = o->fetch.quiet },
			 err);
}

static int command_build(int argc, char **argv, struct error *err)
{
	struct options o = { .distro = NULL };
	int r = option_parse(tables, &o, argc, argv, &(struct option_parse){ .operands = NULL }, err);

	if (r == 0 && o.fetch.help)
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
	else if (strcmp(command, "kernel") == 0)
		r = kernel_command(argc - 1, argv + 1, &err);
	else if (strcmp(command, "extension") == 0)
		r = extension_command(argc - 1, argv + 1, &err);
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
