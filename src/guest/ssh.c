// SPDX-License-Identifier: Apache-2.0
// OpenSSH.
#include "ssh.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER GUEST_DATA "/ssh"

// Under another name first: a half-made key is never taken for one.
static int ensure_key(const struct guest *g, const char *type, struct error *err)
{
	cleanup_free char *key = xasprintf("%s" FOLDER "/ssh_host_%s_key", g->root, type);
	cleanup_free char *fresh = xasprintf("%s.new", key);
	cleanup_free char *public = xasprintf("%s.pub", key);
	cleanup_free char *fresh_public = xasprintf("%s.new.pub", key);
	const char *const argv[] = { "ssh-keygen", "-q", "-t", type, "-N", "", "-C", "boot2docker", "-f", fresh, NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 300000 };
	int r;

	if (file_exists(key))
		return 0;
	r = file_unlink(fresh, err);
	if (r == 0)
		r = proc_check(&spec, err);
	if (r < 0)
		return r;
	if (rename(fresh_public, public) < 0 || rename(fresh, key) < 0)
		return error_set(err, errno, "rename %s", fresh);
	return 0;
}

int ssh_first_key(struct guest *g, struct error *err)
{
	cleanup_free char *folder = guest_path(g, FOLDER);
	int r = file_mkdirs(folder, 0755, err);

	if (r == 0)
		r = ensure_key(g, "ed25519", err);
	return r;
}

// sshd takes them at its next start. Telling it now (SIGHUP) would close its port for a moment, and whoever connects just then
// is turned away.
int ssh_other_keys(struct guest *g, struct error *err)
{
	static const char *const types[] = { "ecdsa", "rsa" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(types); i++)
		r = ensure_key(g, types[i], err);
	return r;
}

static int prepare(struct guest *g, struct launch *launch, struct error *err)
{
	// The log goes to stderr (-e): there is no syslog. It needs its full path to run itself again.
	static const char *const argv[] = { "/usr/sbin/sshd", "-D", "-e", "-o", "PidFile=none", NULL };
	cleanup_free char *folder = guest_path(g, "/run/sshd");

	strv_push_all(&launch->argv, argv);
	return file_mkdirs(folder, 0755, err);
}

// No oom_score: it protects itself, and gives its sessions what it was started with; these are to be like everybody.
const struct service_row sshd_service = {
	.name = "sshd",
	.prepare = prepare,
	.after = "ssh-key home",
	.log = "/var/log/sshd.log",
	.stop_order = 2,
};
