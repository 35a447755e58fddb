// SPDX-License-Identifier: Apache-2.0
// `mount`: a folder of a machine as a folder of this host, through sshfs.
#include "commands.h"

#include "../each.h"
#include "../remote.h"
#include "../run.h"
#include "../store.h"
#include "lib/alloc.h"
#include "lib/proc.h"

#include <errno.h>

struct options {
	bool unmount;
};

static const struct option_row rows[] = {
	{ "unmount", 'u', OPTION_BOOL, offsetof(struct options, unmount), .help = "Unmount instead of mount" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

static int unmount(const char *mount_point, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_free char *program = NULL;
	bool is_new = proc_find("fusermount3", &program, NULL) == 0;
	const char *const words[] = { is_new ? "fusermount3" : "fusermount", "-u", "--", mount_point, NULL };

	strv_push_all(&argv, words);
	return run_for_user(&argv, err);
}

static int mount_it(struct machine *m, const char *what, const char *mount_point, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free char *config = NULL;
	cleanup_close int fd = -1;

	int r = remote_require_running(m, err);
	if (r == 0)
		r = run_require("sshfs", "install it (Debian: sshfs)", err);
	if (r < 0)
		return r;
	remote_config(m, &text);
	r = remote_config_open(&text, &fd, &config, err);
	if (r < 0)
		return r;
	const char *const words[] = { "sshfs", "-F", config, "--", what, mount_point, NULL };
	strv_push_all(&argv, words);
	return run_for_user(&argv, err);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_free char *user = NULL;
	cleanup_free char *name = NULL;
	cleanup_free char *path = NULL;

	if (operands->count < 1 || operands->count > 2)
		return error_say(err, EINVAL, "Improper number of arguments: mount [-u] [MACHINE:]PATH [MOUNTPOINT]");
	remote_split(operands->items[0], &user, &name, &path);
	const char *mount_point = operands->count > 1 ? operands->items[1] : path;
	if (options->unmount)
		return unmount(mount_point, err);
	if (name)
		strv_push(&names, name);
	int r = machine_named(ctx, &names, &m, err);
	if (r < 0)
		return r;
	cleanup_free char *what = xasprintf("%s%s:%s", user ? user : "", m->name, path);
	return mount_it(m, what, mount_point, err);
}

const struct command command_mount = {
	.name = "mount",
	.arguments = "[MACHINE:]PATH [MOUNTPOINT]",
	.summary = "Mount or unmount a directory from a machine with SSHFS",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
