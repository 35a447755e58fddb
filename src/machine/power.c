// SPDX-License-Identifier: Apache-2.0
// Starting and ending machines; see power.h.
//
// The lock is held while a machine is launched (ports are chosen, config.json is written), not while its guest boots: so a second command
// finds it running, and `kill` never has to wait for a guest that hangs. (But for the first start of a machine that is born, and of the
// template for it: these end by a timeout of their own.)
#include "power.h"

#include "certs.h"
#include "docker-context.h"
#include "driver.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "provision.h"
#include "store.h"
#include "wait.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static const char AWAITS_PROVISION[] = "Driver.AwaitsProvision";

static int start_provisioned(struct machine *m, enum provision_kind kind, struct error *err)
{
	cleanup_free char *path = machine_path(m, "provision.tar");
	cleanup_buf struct buf tar = BUF_INIT;
	struct error ignored = ERROR_INIT;

	int r = provision_tar(m, kind == PROVISION_CERTIFICATES, time(NULL), &tar, err);
	if (r == 0)
		r = file_replace(path, tar.data, tar.len, 0600, err);
	if (r == 0)
		r = m->driver->start(m, path, err);
	// It holds a key: it stays no longer than it is needed.
	if (file_unlink(path, &ignored) < 0 && r == 0)
		r = error_say(err, ignored.code, "%s", ignored.msg);
	return r;
}

int power_launch(struct machine *m, enum provision_kind kind, struct error *err)
{
	int r = kind == PROVISION_NONE ? m->driver->start(m, NULL, err) : start_provisioned(m, kind, err);

	return r < 0 ? r : machine_save(m, err);
}

// Renews the server's certificate when it is about to expire or does not fit the address any more.
static int renew_certificates(struct machine *m, enum provision_kind *ret, struct error *err)
{
	struct error why = ERROR_INIT;

	*ret = PROVISION_NONE;
	if (m->driver->attach && !*machine_ip(m))
		return 0; // the address is known to attach only, which looks at the certificate then
	if (certs_check_server(m, CERT_RENEW_DAYS, &why) > 0)
		return 0;
	log_info("(%s) Renewing the server certificate: %s", m->name, why.msg);
	*ret = PROVISION_CERTIFICATES;
	return certs_make_server(m, err);
}

// Takes the machine's lock and reads it again: it may have been changed while we waited.
static int lock_and_load(const struct machine *given, int *ret_lock, struct machine **ret, struct error *err)
{
	int r = machine_lock(given->ctx, given->name, ret_lock, err);

	if (r == 0)
		r = machine_load(given->ctx, given->name, ret, err);
	return r == 0 ? machine_require_driver(*ret, err) : r;
}

// Without the lock held: another command may have changed the rest of config.json meanwhile.
static int save_change(const struct machine *m, void (*change)(const struct machine *now, const struct machine *m),
		       struct error *err)
{
	cleanup_machine struct machine *now = NULL;
	cleanup_close int lock = -1;
	int r = lock_and_load(m, &lock, &now, err);

	if (r < 0)
		return r;
	assert(now);
	change(now, m);
	return machine_save(now, err);
}

// The address that attach found.
static void change_address(const struct machine *now, const struct machine *m)
{
	json_put(now->config, "Driver.IPAddress", json_string(machine_ip(m)));
}

// It has all that it is given.
static void change_provision(const struct machine *now, const struct machine *m)
{
	(void)m;
	power_await_provision(now, false);
}

void power_await_provision(const struct machine *m, bool awaits)
{
	if (awaits)
		json_put(m->config, AWAITS_PROVISION, json_true());
	else
		json_object_del(json_object_get(m->config, "Driver"), strrchr(AWAITS_PROVISION, '.') + 1);
}

int power_wait(struct machine *m, enum provision_kind kind, bool is_locked, struct error *err)
{
	int r = m->driver->attach ? m->driver->attach(m, kind, err) : 0;

	if (r == 0 && m->driver->attach)
		r = is_locked ? machine_save(m, err) : save_change(m, change_address, err);
	if (r == 0)
		r = machine_wait_ready(m, err);
	if (r == 0)
		docker_context_refresh(m);
	return r == 0 && m->driver->ready ? m->driver->ready(m, err) : r;
}

// 1 when it was launched, 0 when it ran already.
static int launch_locked(struct machine *m, enum provision_kind *ret_kind, struct error *err)
{
	enum machine_state state;

	int r = m->driver->state(m, STATE_TIMEOUT_MS, &state, err);
	if (r < 0)
		return r;
	if (state == STATE_RUNNING)
		return 0;
	if (m->driver->refuse)
		return m->driver->refuse("start", "started", err);
	bool resumes = m->driver->resumes && (state == STATE_SAVED || state == STATE_PAUSED);
	if (state != STATE_STOPPED && !resumes)
		return error_say(err, EBUSY, "machine \"%s\" is in state %s; end it with \"%s kill %s\" first", m->name,
				 machine_state_name(state), m->ctx->program, m->name);
	// One that goes on where it was is not given anything: its engine would have to end for that, and what runs with it.
	if (!resumes)
		r = renew_certificates(m, ret_kind, err);
	if (json_bool_at(m->config, AWAITS_PROVISION, false))
		*ret_kind = PROVISION_ALL;
	if (r == 0)
		r = power_launch(m, *ret_kind, err);
	return r < 0 ? r : 1;
}

int power_start(struct machine *given, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	enum provision_kind kind = PROVISION_NONE;
	cleanup_close int lock = -1;

	log_info("Starting \"%s\"...", given->name);
	int r = lock_and_load(given, &lock, &m, err);
	if (r == 0)
		r = launch_locked(m, &kind, err);
	if (r < 0)
		return r;
	assert(m);
	close(take_fd(&lock));
	if (r == 0) {
		log_info("Machine \"%s\" is already running.", m->name);
		return m->driver->ready ? m->driver->ready(m, err) : 0;
	}
	log_info("Machine \"%s\" was started.", m->name);
	r = power_wait(m, kind, false, err);
	if (r == 0 && kind == PROVISION_ALL)
		r = save_change(m, change_provision, err);
	if (r == 0)
		log_info("Started machines may have new IP addresses. You may need to re-run the `%s env` command.",
			 m->ctx->program);
	return r;
}

static int save_locked(struct machine *m, struct error *err)
{
	enum machine_state state;

	if (m->driver->refuse)
		return m->driver->refuse("save", "saved", err);
	if (!m->driver->save)
		return error_say(err, ENOTSUP,
				 "machine \"%s\" has the driver %s, which cannot save it; stop it instead", m->name,
				 m->driver->name);
	int r = m->driver->state(m, STATE_TIMEOUT_MS, &state, err);
	if (r < 0)
		return r;
	if (state == STATE_SAVED) {
		log_info("Machine \"%s\" is already saved.", m->name);
		return 0;
	}
	if (state != STATE_RUNNING && state != STATE_PAUSED)
		return error_say(err, ESHUTDOWN, "machine \"%s\" is in state %s: only one that runs can be saved",
				 m->name, machine_state_name(state));
	r = m->driver->save(m, err);
	if (r == 0)
		log_info("Machine \"%s\" was saved.", m->name);
	return r;
}

int power_save(struct machine *given, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	cleanup_close int lock = -1;

	log_info("Saving \"%s\"...", given->name);
	int r = lock_and_load(given, &lock, &m, err);
	if (r < 0)
		return r;
	assert(m);
	return save_locked(m, err);
}

// Runs `end` unless the machine is stopped already.
static int end_with(struct machine *m, const char *verb, const char *doing, const char *done,
		    int (*end)(struct machine *m, struct error *err), struct error *err)
{
	enum machine_state state;

	if (m->driver->refuse)
		return m->driver->refuse(verb, done, err);
	log_info("%s \"%s\"...", doing, m->name);
	int r = m->driver->state(m, STATE_TIMEOUT_MS, &state, err);
	if (r < 0)
		return r;
	if (state == STATE_STOPPED) {
		log_info("Machine \"%s\" is already stopped.", m->name);
		return 0;
	}
	r = end(m, err);
	if (r == 0)
		log_info("Machine \"%s\" was %s.", m->name, done);
	return r;
}

int power_stop(struct machine *m, struct error *err)
{
	return end_with(m, "stop", "Stopping", "stopped", m->driver->stop, err);
}

int power_kill(struct machine *m, struct error *err)
{
	return end_with(m, "kill", "Killing", "killed", m->driver->kill, err);
}

static int restart_by_driver(struct machine *m, struct error *err)
{
	log_info("Restarting \"%s\"...", m->name);
	int r = m->driver->restart(m, err);
	return r < 0 ? r : machine_wait_ready(m, err);
}

int power_restart(struct machine *m, struct error *err)
{
	if (m->driver->restart)
		return restart_by_driver(m, err);
	int r = power_stop(m, err);

	return r < 0 ? r : power_start(m, err);
}

int power_reset(struct machine *m, struct error *err)
{
	int r = power_kill(m, err);

	return r < 0 ? r : power_start(m, err);
}
