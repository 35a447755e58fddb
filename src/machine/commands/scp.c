// SPDX-License-Identifier: Apache-2.0
// `scp`: files between machines and this host, through the system's scp or rsync.
#include "commands.h"

#include "../remote.h"
#include "../run.h"
#include "../store.h"
#include "lib/alloc.h"

#include <errno.h>
#include <string.h>

struct options {
	bool recursive, delta, quiet;
};

static const struct option_row rows[] = {
	{ "recursive", 'r', OPTION_BOOL, offsetof(struct options, recursive),
	  .help = "Copy files recursively (required to copy directories)" },
	{ "delta", 'd', OPTION_BOOL, offsetof(struct options, delta),
	  .help = "Reduce amount of data sent over network by sending only the differences (uses rsync)" },
	{ "quiet", 'q', OPTION_BOOL, offsetof(struct options, quiet),
	  .help = "Disables the progress meter as well as warning and diagnostic messages from ssh" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

// Source or destination.
struct place {
	struct machine *machine; // NULL: a path of this host
	char *word; // as scp and rsync read it
};

static void place_done(struct place *p)
{
	machine_free(p->machine);
	free(p->word);
}

static int place_read(const struct context *ctx, const char *text, struct place *ret, struct error *err)
{
	cleanup_free char *user = NULL;
	cleanup_free char *name = NULL;
	cleanup_free char *path = NULL;

	remote_split(text, &user, &name, &path);
	if (!name) {
		// What begins with a dash, or has a colon, is meant as a path all the same.
		bool is_plain = *path != '-' && path[strcspn(path, ":/")] != ':';
		ret->word = xasprintf("%s%s", is_plain ? "" : "./", path);
		return 0;
	}
	int r = machine_load(ctx, name, &ret->machine, err);
	if (r == 0)
		r = remote_require_running(ret->machine, err);
	ret->word = xasprintf("%s%s:%s", user, name, path);
	return r;
}

static void build_scp(const struct options *o, const char *config, struct strv *argv)
{
	// -3: from machine to machine through this host.
	const char *const words[] = { "scp", "-3", "-F", config, NULL };

	strv_push_all(argv, words);
	if (o->recursive)
		strv_push(argv, "-r");
	if (o->quiet)
		strv_push(argv, "-q");
}

static void build_rsync(const struct options *o, const char *config, struct strv *argv)
{
	// Names are not read by the remote shell.
	const char *const words[] = { "rsync", "--protect-args", "--times", "-e", NULL };

	strv_push_all(argv, words);
	strv_pushf(argv, "ssh -F %s", config);
	if (o->recursive)
		strv_push(argv, "-r");
	if (!o->quiet)
		strv_push(argv, "--progress");
}

static int copy(const struct options *o, const struct place *from, const struct place *to, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free char *config = NULL;
	cleanup_close int fd = -1;

	if (from->machine)
		remote_config(from->machine, &text);
	if (to->machine)
		remote_config(to->machine, &text);
	int r = remote_config_open(&text, &fd, &config, err);
	if (r < 0)
		return r;
	(o->delta ? build_rsync : build_scp)(o, config, &argv);
	strv_push(&argv, "--");
	strv_push(&argv, from->word);
	strv_push(&argv, to->word);
	return run_for_user(&argv, err);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	CLEANUP(place_done) struct place from = { 0 };
	CLEANUP(place_done) struct place to = { 0 };

	if (operands->count != 2)
		return error_say(err, EINVAL, "Improper number of arguments: scp [-r] [-d] [-q] SRC DST");
	int r = place_read(ctx, operands->items[0], &from, err);
	if (r == 0)
		r = place_read(ctx, operands->items[1], &to, err);
	if (r < 0)
		return r;
	if (!from.machine && !to.machine)
		return error_say(err, EINVAL, "neither %s nor %s names a machine (machine:path)", from.word, to.word);
	if (options->delta && from.machine && to.machine)
		return error_say(err, EINVAL, "rsync (--delta) cannot copy from machine to machine; leave --delta out");
	return copy(options, &from, &to, err);
}

const struct command command_scp = {
	.name = "scp",
	.arguments = "[MACHINE:]PATH [MACHINE:]PATH",
	.summary = "Copy files between machines",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
