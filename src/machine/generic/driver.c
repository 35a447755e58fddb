// SPDX-License-Identifier: Apache-2.0
// The generic driver; see generic.h.
#include "generic.h"

#include "../create.h"
#include "../handover.h"
#include "../net.h"
#include "../remote.h"
#include "../run.h"
#include "../store.h"
#include "../wait.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>

#define FIELD(name) offsetof(struct create_options, generic.name)
enum {
	PORT_MAX = 65535,
	KEYGEN_TIMEOUT_MS = 10 * 1000,
	REBOOT_TIMEOUT_MS = 60 * 1000,
	DOWN_TIMEOUT_MS = 90 * 1000,
	TRY_MS = 2000,
	PAUSE_MS = 500,
};

const struct option_row generic_options_rows[] = {
	{ "generic-ip-address", 0, OPTION_STRING, FIELD(ip_address), "GENERIC_IP_ADDRESS", "", "ADDRESS",
	  "IP Address of machine" },
	{ "generic-engine-port", 0, OPTION_INT, FIELD(engine_port), "GENERIC_ENGINE_PORT", "2376", "PORT",
	  "Docker engine port", 1, PORT_MAX },
	{ "generic-ssh-user", 0, OPTION_STRING, FIELD(ssh_user), "GENERIC_SSH_USER", "root", "USER", "SSH user" },
	{ "generic-ssh-key", 0, OPTION_STRING, FIELD(ssh_key), "GENERIC_SSH_KEY", "", "FILE",
	  "SSH private key path (if not provided, default SSH key will be used)" },
	{ "generic-ssh-port", 0, OPTION_INT, FIELD(ssh_port), "GENERIC_SSH_PORT", "22", "PORT", "SSH port", 1,
	  PORT_MAX },
	{ 0 },
};

static int check(const struct context *ctx, const struct create_options *o, struct error *err)
{
	const struct generic_options *g = &o->generic;

	(void)ctx;
	if (!*g->ip_address)
		return error_say(err, EINVAL, "generic driver requires the --generic-ip-address option");
	// They become words of ssh's command line.
	if (*g->ip_address == '-' || *g->ssh_user == '-' || !*g->ssh_user)
		return error_say(err, EINVAL, "--generic-ip-address %s, --generic-ssh-user %s: no host and user",
				 g->ip_address, g->ssh_user);
	if (*g->ssh_key && access(g->ssh_key, R_OK) < 0)
		return error_set(err, errno, "read --generic-ssh-key %s", g->ssh_key);
	return run_require("ssh", "install it (Debian: openssh-client)", err);
}

static void configure(struct machine *m, const struct create_options *o)
{
	const struct generic_options *g = &o->generic;
	json_t *driver = json_at(m->config, "Driver");

	json_object_set_new(driver, "IPAddress", json_text(g->ip_address));
	json_object_set_new(driver, "SSHUser", json_text(g->ssh_user));
	json_object_set_new(driver, "SSHPort", json_integer(g->ssh_port));
	json_object_set_new(driver, "EnginePort", json_integer(g->engine_port));
	json_object_set_new(driver, "SSHKey", json_text(g->ssh_key));
	if (!*g->ssh_key)
		json_object_set_new(driver, "SSHKeyPath", json_text(""));
}

// The public half, for those who look for it; derived, since it need not lie beside the private one.
static int write_public_key(const struct machine *m, const char *key, struct error *err)
{
	cleanup_free char *path = machine_path(m, "id_rsa.pub");
	cleanup_buf struct buf text = BUF_INIT;
	const char *argv[] = { "ssh-keygen", "-y", "-P", "", "-f", key, NULL };
	int r = run_output(argv, KEYGEN_TIMEOUT_MS, &text, err);

	return r < 0 ? error_wrap(err, "the SSH key (one without passphrase is needed)")
		     : file_replace(path, text.data, text.len, 0644, err);
}

static int create(struct machine *m, struct error *err)
{
	cleanup_free char *copy = machine_path(m, "id_rsa");
	const char *key = json_str_at(m->config, "Driver.SSHKey", "");

	if (!*key) {
		log_info("No SSH key specified. Assuming an existing key at the default location.");
		return 0;
	}
	log_info("Importing SSH key...");
	int r = file_copy(key, copy, 0600, err);
	return r < 0 ? r : write_public_key(m, copy, err);
}

static int start(struct machine *m, const char *provision, struct error *err)
{
	(void)m;
	(void)provision;
	(void)err;
	return 0;
}

static int attach(struct machine *m, enum provision_kind kind, struct error *err)
{
	int r = machine_wait_ssh(m, err);

	return r < 0 || kind == PROVISION_NONE ? r : handover_over_ssh(m, kind, err);
}

static int refuse(const char *verb, const char *participle, struct error *err)
{
	(void)participle;
	return error_say(err, ENOTSUP, "generic driver does not support %s", verb);
}

static int say_hello(const struct machine *m, int timeout_ms, struct error *err)
{
	return net_check_banner(machine_ssh_host(m), machine_ssh_port(m), "SSH-", clock_ms() + timeout_ms, err);
}

static int state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err)
{
	int r = say_hello(m, timeout_ms, err);

	*ret = r == 0 ? STATE_RUNNING : r == -ETIMEDOUT ? STATE_TIMEOUT : STATE_STOPPED;
	error_clear(err);
	return 0;
}

static int wait_until_down(const struct machine *m, struct error *err)
{
	int64_t deadline = clock_ms() + DOWN_TIMEOUT_MS;

	while (say_hello(m, TRY_MS, err) == 0) {
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "machine \"%s\" was told to reboot and did not within %d s",
					 m->name, DOWN_TIMEOUT_MS / 1000);
		int r = interrupt_check(err);
		if (r < 0)
			return r;
		clock_sleep_ms(PAUSE_MS);
	}
	error_clear(err);
	return 0;
}

// The answer waits a moment, so that the connection ends before the host does.
static int restart(struct machine *m, struct error *err)
{
	struct remote_run reboot = { .command = "(sleep 1; sudo reboot) >/dev/null 2>&1 </dev/null &",
				     .timeout_ms = REBOOT_TIMEOUT_MS };
	int r = remote_run(m, &reboot, err);

	return r < 0 ? r : wait_until_down(m, err);
}

const struct driver generic_driver = {
	.name = "generic",
	.check = check,
	.configure = configure,
	.create = create,
	.start = start,
	.state = state,
	.attach = attach,
	.refuse = refuse,
	.over_network = true,
	.restart = restart,
};
