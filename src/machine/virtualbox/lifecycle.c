// SPDX-License-Identifier: Apache-2.0
// Starting, reaching and ending a machine's VM; see ../driver.h.
//
// Theory of operation
//
// VirtualBox keeps the VM; we ask it (`showvminfo`) and tell it (`startvm`, `controlvm`), and remember nothing of our own but the
// SSH port. A VM of the same name in another folder is never touched.
//
// start: the host-only network is set up anew (it may be gone), and the VM starts. Its NAT forward for SSH is made when it runs:
// VirtualBox says nothing when the port of a forward is taken, neither at the start nor later, and whoever took it listens there in
// its place. So the port is looked at just before the forward is made, and afterwards, whether somebody listens there; if not,
// the next free one is tried.
// attach: when SSH answers, the guest is asked which address its host-only card has (the card is known by its MAC address). Only
// now can the server's certificate be made: it holds the address. What the guest must be given goes over SSH as one tar, and the
// engine is started again with it.
// stop: the power button, which a guest that still boots does not hear; so it is pressed again now and then.
#include "internal.h"

#include "../certs.h"
#include "../handover.h"
#include "../net.h"
#include "../ports.h"
#include "../remote.h"
#include "../run.h"
#include "../wait.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

enum {
	START_TIMEOUT_MS = 120 * 1000,
	FORWARD_TRIES = 5,
	FORWARD_TIMEOUT_MS = 3 * 1000,
	ADDRESS_TIMEOUT_MS = 120 * 1000,
	REMOTE_TIMEOUT_MS = 60 * 1000,
	STOP_TIMEOUT_MS = 60 * 1000,
	SAVE_TIMEOUT_MS = 5 * 60 * 1000,
	PRESS_AGAIN_MS = 10 * 1000,
	UNLOCK_TIMEOUT_MS = 10 * 1000,
	PAUSE_MS = 200,
};

char *virtualbox_console_path(const struct machine *m)
{
	return machine_path(m, "console.log");
}

int virtualbox_state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;
	int r = vm_require(m, timeout_ms > 0 ? timeout_ms : 1, &info, err);

	if (r == -ETIMEDOUT) {
		*ret = STATE_TIMEOUT;
		error_clear(err);
		return 0;
	}
	if (r == 0)
		*ret = info_state(buf_str(&info));
	return r;
}

// --- start ---

static char *forward_rule(const struct machine *m)
{
	return xasprintf("ssh,tcp,127.0.0.1,%d,,22", machine_ssh_port(m));
}

// Deleting a rule that is not there is an error, so it is looked for.
static bool has_forward(const char *info)
{
	enum { RULES = 64 };

	for (int i = 0; i < RULES; i++) {
		cleanup_free char *key = xasprintf("Forwarding(%d)", i);
		cleanup_buf struct buf rule = BUF_INIT;
		if (!info_get(info, key, &rule))
			return false;
		if (strncmp(buf_str(&rule), "ssh,", 4) == 0)
			return true;
	}
	return false;
}

static int drop_forward(const struct machine *m, const char *info, struct error *err)
{
	return has_forward(info) ? manage(err, "modifyvm", m->name, "--natpf1", "delete", "ssh") : 0;
}

static bool forward_listens(const struct machine *m)
{
	int64_t deadline = clock_ms() + FORWARD_TIMEOUT_MS;

	while (net_port_is_free(machine_ssh_port(m))) {
		if (clock_ms() >= deadline)
			return false;
		clock_sleep_ms(PAUSE_MS);
	}
	return true;
}

// Of the running VM, which has none. A port that is taken is no error for VirtualBox: it has the rule then and does not listen. So
// the port is looked at just before.
static int add_forward(struct machine *m, struct error *err)
{
	int r = ports_settle(m, "SSHPort", FIRST_SSH_PORT, err);

	if (r < 0)
		return r;
	cleanup_free char *rule = forward_rule(m);
	return manage(err, "controlvm", m->name, "natpf1", rule);
}

static int next_port(struct machine *m, struct error *err)
{
	int port = 0;
	int r = net_free_port(machine_ssh_port(m) + 1, NULL, NULL, &port, err);

	if (r < 0)
		return r;
	log_warn("VirtualBox does not listen on port %d of 127.0.0.1: machine \"%s\" uses %d", machine_ssh_port(m),
		 m->name, port);
	json_put(m->config, "Driver.SSHPort", json_integer(port));
	return manage(err, "controlvm", m->name, "natpf1", "delete", "ssh");
}

static int ensure_forward(struct machine *m, struct error *err)
{
	for (int tries = 0; tries < FORWARD_TRIES; tries++) {
		int r = tries ? next_port(m, err) : 0;
		if (r == 0)
			r = add_forward(m, err);
		if (r < 0 || forward_listens(m))
			return r;
	}
	return error_say(err, EADDRINUSE,
			 "VirtualBox does not forward a port of 127.0.0.1 to the SSH of machine \"%s\"; its log "
			 "is in %s/%s/Logs",
			 m->name, m->dir, m->name);
}

static int start_vm(struct machine *m, const char *info, struct error *err)
{
	const char *words[] = { "startvm", m->name, "--type", json_str_at(m->config, "Driver.UIType", "headless"),
				NULL };
	int r = drop_forward(m, info, err);

	if (r == 0)
		r = manage_run(&(struct manage){ .words = words, .timeout_ms = START_TIMEOUT_MS }, err);
	if (r < 0)
		return error_wrap(err, "Unable to start the VM");
	return ensure_forward(m, err);
}

// The tar is for drivers that hand it over while the guest boots; this one has attach.
int virtualbox_start(struct machine *m, const char *provision, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;

	(void)provision;
	int r = vm_require(m, 0, &info, err);
	if (r < 0)
		return r;
	enum machine_state state = info_state(buf_str(&info));
	switch (state) {
	case STATE_STOPPED:
		r = network_set_up(m, err);
		return r < 0 ? r : start_vm(m, buf_str(&info), err);
	case STATE_SAVED:
		return start_vm(m, buf_str(&info), err);
	case STATE_PAUSED:
		return manage(err, "controlvm", m->name, "resume");
	default:
		return error_say(err, EBUSY, "machine \"%s\" is in state \"%s\" and cannot be started", m->name,
				 machine_state_name(state));
	}
}

// --- attach ---

// Asks the guest until its host-only card has an address.
static int find_address(const struct machine *m, const char *mac, struct buf *ret, struct error *err)
{
	int patience = wait_patiently(ADDRESS_TIMEOUT_MS);
	int64_t deadline = clock_ms() + patience;

	for (;;) {
		cleanup_buf struct buf addresses = BUF_INIT;
		struct error why = ERROR_INIT;
		int r = interrupt_check(err);
		if (r < 0)
			return r;
		r = remote_run(m,
			       &(struct remote_run){ .command = "ip addr show",
						     .timeout_ms = wait_patiently(REMOTE_TIMEOUT_MS),
						     .output = &addresses },
			       &why);
		if (r == 0 && address_of_mac(buf_str(&addresses), mac, ret))
			return 0;
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT,
					 "the host-only card of machine \"%s\" (MAC address %s) got no address within "
					 "%d s%s%.300s; does another DHCP server, or none, answer on its network?",
					 m->name, mac, patience / 1000, r < 0 ? ": " : "", r < 0 ? why.msg : "");
		clock_sleep_ms(PAUSE_MS);
	}
}

static int learn_address(struct machine *m, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;
	cleanup_buf struct buf mac = BUF_INIT;
	cleanup_buf struct buf ip = BUF_INIT;

	int r = vm_require(m, 0, &info, err);
	if (r < 0)
		return r;
	if (!info_hostonly_mac(buf_str(&info), &mac))
		return error_say(err, ENODEV,
				 "the VM of machine \"%s\" has no host-only network card, over which its engine could "
				 "be reached; stop and start the machine to get it back",
				 m->name);
	r = find_address(m, buf_str(&mac), &ip, err);
	if (r == 0)
		json_put(m->config, "Driver.IPAddress", json_string(buf_str(&ip)));
	return r;
}

int virtualbox_attach(struct machine *m, enum provision_kind kind, struct error *err)
{
	struct error why = ERROR_INIT;

	int r = machine_wait_ssh(m, err);
	if (r == 0)
		r = learn_address(m, err);
	if (r < 0)
		return r;
	if (certs_check_server(m, CERT_RENEW_DAYS, &why) <= 0) {
		log_debug("(%s) new server certificate: %s", m->name, why.msg);
		r = certs_make_server(m, err);
		if (kind == PROVISION_NONE)
			kind = PROVISION_CERTIFICATES;
	}
	return r < 0 || kind == PROVISION_NONE ? r : handover_over_ssh(m, kind, err);
}

// --- end ---

static int wait_for_end(const struct machine *m, int64_t deadline, struct error *err)
{
	while (clock_ms() < deadline) {
		cleanup_buf struct buf info = BUF_INIT;
		int r = vm_require(m, 0, &info, err);
		if (r < 0)
			return r;
		if (info_state(buf_str(&info)) == STATE_STOPPED)
			return 1;
		r = interrupt_check(err);
		if (r < 0)
			return r;
		clock_sleep_ms(PAUSE_MS);
	}
	return 0;
}

static int press_until_off(const struct machine *m, struct error *err)
{
	int patience = wait_patiently(STOP_TIMEOUT_MS);
	int64_t deadline = clock_ms() + patience;

	while (clock_ms() < deadline) {
		struct error ignored = ERROR_INIT; // it may be off by now: then wait_for_end sees it
		if (manage(&ignored, "controlvm", m->name, "acpipowerbutton") < 0)
			log_debug("%s", ignored.msg);
		int r = wait_for_end(m, clock_ms() + PRESS_AGAIN_MS, err);
		if (r)
			return r < 0 ? r : 0;
	}
	return error_say(err, ETIMEDOUT,
			 "machine \"%s\" did not power off within %d s; look at %s/console.log, or end it with "
			 "\"%s kill %s\"",
			 m->name, patience / 1000, m->dir, m->ctx->program, m->name);
}

int virtualbox_stop(struct machine *m, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;
	int r = vm_require(m, 0, &info, err);

	if (r < 0)
		return r;
	enum machine_state state = info_state(buf_str(&info));
	if (state == STATE_STOPPED)
		return 0;
	if (state == STATE_SAVED)
		return error_say(err, EBUSY,
				 "machine \"%s\" is saved, with what ran in it; start it before it is stopped",
				 m->name);
	if (state == STATE_PAUSED)
		r = manage(err, "controlvm", m->name, "resume"); // a paused guest hears no button
	return r < 0 ? r : press_until_off(m, err);
}

// vm_find for a machine of which nothing may be left. A damaged one may be another driver's, on a host without VirtualBox: then there
// is nothing to end.
static int find_rest(const struct machine *m, struct buf *info, struct error *err)
{
	bool must = strcmp(json_str_at(m->config, "DriverName", ""), "virtualbox") == 0;
	struct error why = ERROR_INIT;

	if (run_require("VBoxManage", "install VirtualBox", &why) < 0)
		return must ? error_say(err, why.code, "%s", why.msg) : 0;
	return vm_find(m, 0, info, err);
}

// What became of a machine that VirtualBox says it could not save: that may take a moment to be seen.
static enum machine_state state_after_save(struct machine *m)
{
	int64_t deadline = clock_ms() + UNLOCK_TIMEOUT_MS;
	struct error ignored = ERROR_INIT;
	enum machine_state state;

	while (virtualbox_state(m, STATE_TIMEOUT_MS, &state, &ignored) == 0) {
		if (state == STATE_SAVED || state == STATE_STOPPED || clock_ms() >= deadline)
			return state;
		clock_sleep_ms(PAUSE_MS);
	}
	return STATE_ERROR;
}

int virtualbox_save(struct machine *m, struct error *err)
{
	const char *words[] = { "controlvm", m->name, "savestate", NULL };

	int r = manage_run(&(struct manage){ .words = words, .timeout_ms = SAVE_TIMEOUT_MS }, err);
	if (r == 0)
		return 0;
	// VirtualBox 7.2 now and then fails an assertion of its own when all but the last step is done.
	switch (state_after_save(m)) {
	case STATE_SAVED:
		log_warn("VirtualBox has saved machine \"%s\", but says: %s", m->name, err->msg);
		error_clear(err);
		return 0;
	case STATE_STOPPED:
		return error_say(
			err, err->code,
			"VirtualBox lost machine \"%s\" instead of saving it (%.300s); \"%s start %s\" boots it from "
			"its disk",
			m->name, err->msg, m->ctx->program, m->name);
	default:
		return error_wrap(err, "machine \"%s\" is not saved; look at it with \"%s status %s\"", m->name,
				  m->ctx->program, m->name);
	}
}

int virtualbox_kill(struct machine *m, struct error *err)
{
	cleanup_buf struct buf info = BUF_INIT;
	int r = find_rest(m, &info, err);

	if (r <= 0)
		return r;
	enum machine_state state = info_state(buf_str(&info));
	if (state == STATE_STOPPED || state == STATE_SAVED)
		return 0;
	r = manage(err, "controlvm", m->name, "poweroff");
	if (r == 0)
		r = wait_for_end(m, clock_ms() + UNLOCK_TIMEOUT_MS, err);
	return r < 0 ? r : 0;
}

// VirtualBox remembers the disc of a VM that it has forgotten.
static void forget_image(const struct machine *m)
{
	cleanup_free char *iso = machine_path(m, "boot2docker.iso");
	struct error ignored = ERROR_INIT; // another VM may have it, or none had

	if (manage(&ignored, "closemedium", "dvd", iso) < 0)
		log_debug("%s", ignored.msg);
}

// A VM that has just ended stays locked for a moment.
int virtualbox_remove(struct machine *m, struct error *err)
{
	int64_t deadline = clock_ms() + UNLOCK_TIMEOUT_MS;
	cleanup_buf struct buf info = BUF_INIT;
	int r = find_rest(m, &info, err);

	if (r <= 0)
		return r;
	for (;;) {
		r = manage(err, "unregistervm", m->name, "--delete");
		if (r == 0)
			forget_image(m);
		if (r != -EBUSY || clock_ms() >= deadline)
			return r;
		clock_sleep_ms(PAUSE_MS);
	}
}
