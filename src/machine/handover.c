// SPDX-License-Identifier: Apache-2.0
// Handing a running machine what it is given, over SSH; see handover.h.
#include "handover.h"

#include "certs.h"
#include "docker-context.h"
#include "lib/alloc.h"
#include "lib/log.h"
#include "provision.h"
#include "remote.h"
#include "store.h"
#include "wait.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

enum { REMOTE_TIMEOUT_MS = 90 * 1000 };

// The older Boot2Docker has both, too.
static const char IS_BOOT2DOCKER[] = "test -x /etc/init.d/docker && test -x /usr/bin/sethostname || "
				     "{ echo 'this host does not run Boot2Docker' >&2; exit 97; }; ";

int handover_over_ssh(const struct machine *m, enum provision_kind kind, struct error *err)
{
	bool all = kind == PROVISION_ALL;
	cleanup_buf struct buf tar = BUF_INIT;
	// The name has letters, digits, "-" and "." only.
	cleanup_free char *name = xasprintf("sudo /usr/bin/sethostname %s && ", m->name);
	// Certificates alone some engines take up without a restart, so that no container is stopped.
	cleanup_free char *command =
		xasprintf("%ssudo mkdir -p /var/lib/boot2docker && sudo tar -x -f - -C /var/lib/boot2docker && "
			  "%ssudo /etc/init.d/docker restart%s",
			  IS_BOOT2DOCKER, all ? name : "{ sudo /etc/init.d/docker certificates 2>/dev/null || ",
			  all ? "" : "; }");

	int r = provision_tar(m, !all, time(NULL), &tar, err);
	if (r < 0)
		return r;
	log_info("(%s) Copying certs to the remote machine...", m->name);
	struct remote_run run = { .command = command,
				  .input = tar.data,
				  .input_len = tar.len,
				  .timeout_ms = wait_patiently(REMOTE_TIMEOUT_MS) };
	r = remote_run(m, &run, err);
	return r == -EPROTO && strstr(err->msg, "does not run Boot2Docker") ? -ENOTSUP : r;
}

static int renew_if_needed(const struct machine *m, bool renew, struct error *err)
{
	struct error why = ERROR_INIT;

	if (!renew && certs_check_server(m, CERT_RENEW_DAYS, &why) > 0)
		return 0;
	log_info("(%s) Making a new server certificate...", m->name);
	return certs_make_server(m, err);
}

int handover_again(struct machine *given, enum provision_kind kind, bool renew, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	cleanup_close int lock = -1;

	int r = machine_lock(given->ctx, given->name, &lock, err);
	// Read again: it may have been changed while we waited for the lock.
	if (r == 0)
		r = machine_load(given->ctx, given->name, &m, err);
	if (r == 0)
		r = machine_require_running(m, err);
	if (r < 0)
		return error_wrap(err, "machine \"%s\"", given->name);
	assert(m);
	if (!m->driver->start)
		return error_say(err, ENOTSUP,
				 "machine \"%s\" has no driver: its engine gets its certificates from somebody else",
				 m->name);
	r = machine_wait_ssh(m, err);
	if (r == 0)
		r = renew_if_needed(m, renew, err);
	if (r == 0)
		r = handover_over_ssh(m, kind, err);
	if (r == 0)
		r = machine_wait_ready(m, err);
	if (r == 0)
		docker_context_refresh(m);
	return r;
}
