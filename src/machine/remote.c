// SPDX-License-Identifier: Apache-2.0
// Commands on a machine; see remote.h.
#include "remote.h"

#include "driver.h"
#include "lib/json.h"
#include "lib/proc.h"
#include "run.h"
#include "store.h"

// The user's ssh configuration must not change where we get to, and the machine's host key is no secret to compare: the
// way to it lies within this host, and it is made anew with each machine.
static const char *const base_arguments[] = {
	"ssh",
	"-F",
	"/dev/null",
	"-o",
	"ConnectionAttempts=3",
	"-o",
	"ConnectTimeout=10",
	"-o",
	"ControlMaster=no",
	"-o",
	"ControlPath=none",
	"-o",
	"LogLevel=ERROR",
	"-o",
	"PasswordAuthentication=no",
	"-o",
	"ServerAliveInterval=60",
	"-o",
	"StrictHostKeyChecking=no",
	"-o",
	"UserKnownHostsFile=/dev/null",
	"-o",
	"IdentitiesOnly=yes",
	NULL,
};

void remote_command(const struct machine *m, struct strv *ret)
{
	cleanup_free char *default_key = machine_path(m, "id_rsa");

	strv_push_all(ret, base_arguments);
	strv_push(ret, "-i");
	strv_push(ret, json_str_at(m->config, "Driver.SSHKeyPath", default_key));
	strv_push(ret, "-p");
	strv_pushf(ret, "%d", machine_ssh_port(m));
	strv_pushf(ret, "%s@%s", json_str_at(m->config, "Driver.SSHUser", "docker"), machine_ssh_host(m));
}

int remote_run(const struct machine *m, const struct remote_run *run, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;

	remote_command(m, &argv);
	strv_push(&argv, run->command);
	struct proc_spec spec = { .argv = (const char *const *)strv_argv(&argv),
				  .in = run->input ? PROC_DATA : PROC_NULL,
				  .input = run->input,
				  .input_len = run->input_len,
				  .out = run->output ? PROC_CAPTURE : PROC_NULL,
				  .out_buf = run->output,
				  .timeout_ms = run->timeout_ms,
				  .own_group = true };
	run_log(spec.argv);
	int r = proc_check(&spec, err);
	return r < 0 ? error_wrap(err, "on machine \"%s\"", m->name) : 0;
}
