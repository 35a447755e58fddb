// SPDX-License-Identifier: Apache-2.0
// Commands on a machine; see remote.h.
#include "remote.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/proc.h"
#include "run.h"
#include "store.h"
#include "wait.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { CONNECT_TIMEOUT_MS = 10 * 1000 };

// The user's ssh configuration must not change where we get to.
static const char *const base_arguments[] = {
	"-F", "/dev/null",
	"-o", "ConnectionAttempts=3",
	"-o", "ControlMaster=no",
	"-o", "ControlPath=none",
	"-o", "LogLevel=ERROR",
	"-o", "PasswordAuthentication=no",
	"-o", "ServerAliveInterval=60",
	NULL,
};

// As ssh reads it in its configuration: in quotes, a percent sign twice.
static void add_quoted(struct buf *b, const char *path)
{
	buf_putc(b, '"');
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			buf_putc(b, '\\');
		buf_puts(b, *path == '%' ? "%%" : (const char[]){ *path, '\0' });
	}
	buf_putc(b, '"');
}

// The way to a VM lies within this host, and its host key is made anew with each machine: nothing to compare. A host of the
// network shows its key at the first connection, and has to show the same one ever after.
static void add_host_key_options(const struct machine *m, struct strv *ret)
{
	bool compares = m->driver && m->driver->over_network;
	cleanup_free char *known = machine_path(m, "known_hosts");
	cleanup_buf struct buf file = BUF_INIT;

	add_quoted(&file, compares ? known : "/dev/null");
	strv_push(ret, "-o");
	strv_pushf(ret, "StrictHostKeyChecking=%s", compares ? "accept-new" : "no");
	strv_push(ret, "-o");
	strv_pushf(ret, "UserKnownHostsFile=%s", buf_str(&file));
	if (compares) {
		strv_push(ret, "-o");
		strv_pushf(ret, "HostKeyAlias=%s", m->name);
	}
}

// A store that was moved, or written before there was that field, has its keys where they always are. NULL: the machine has none.
static const char *key_path(const struct machine *m, const char *default_path)
{
	const char *key = json_str_at(m->config, "Driver.SSHKeyPath", "");

	if (*key && (file_exists(key) || !file_exists(default_path)))
		return key;
	return *key || file_exists(default_path) || !m->driver || !m->driver->over_network ? default_path : NULL;
}

void remote_options(const struct machine *m, struct strv *ret)
{
	cleanup_free char *default_key = machine_path(m, "id_rsa");
	const char *key = key_path(m, default_key);

	strv_push_all(ret, base_arguments);
	strv_push(ret, "-o");
	strv_pushf(ret, "ConnectTimeout=%d", wait_patiently(CONNECT_TIMEOUT_MS) / 1000);
	add_host_key_options(m, ret);
	if (!key)
		return; // the user's own keys
	strv_push(ret, "-o");
	strv_push(ret, "IdentitiesOnly=yes");
	strv_push(ret, "-i");
	strv_push(ret, key);
}

void remote_command(const struct machine *m, struct strv *ret)
{
	strv_push(ret, "ssh");
	remote_options(m, ret);
	strv_push(ret, "-p");
	strv_pushf(ret, "%d", machine_ssh_port(m));
	strv_pushf(ret, "%s@%s", machine_ssh_user(m), machine_ssh_host(m));
}

int remote_require_running(struct machine *m, struct error *err)
{
	enum machine_state state;
	int r = machine_get_state(m, &state, err);

	if (r == 0 && state != STATE_RUNNING)
		r = error_say(err, ESHUTDOWN, "Error: Cannot run SSH command: Host \"%s\" is not running", m->name);
	return r;
}

// --- an ssh_config ---

void remote_config(const struct machine *m, struct buf *ret)
{
	cleanup_strv struct strv options = STRV_INIT;

	remote_options(m, &options);
	buf_printf(ret, "Host %s\n", m->name);
	for (size_t i = 0; i + 1 < options.count; i += 2) {
		bool is_key = strcmp(options.items[i], "-i") == 0;
		if (is_key) {
			buf_puts(ret, "\tIdentityFile ");
			add_quoted(ret, options.items[i + 1]);
			buf_putc(ret, '\n');
		} else if (strcmp(options.items[i], "-o") == 0) {
			buf_printf(ret, "\t%s\n", options.items[i + 1]);
		}
	}
	buf_printf(ret, "\tPort %d\n\tUser %s\n\tHostName %s\n", machine_ssh_port(m), machine_ssh_user(m),
		   machine_ssh_host(m));
}

int remote_config_open(const struct buf *text, int *ret_fd, char **ret_path, struct error *err)
{
	cleanup_close int fd = memfd_create("ssh_config", MFD_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "make a file in memory for ssh's configuration");
	int r = file_write_fd(fd, "ssh's configuration", buf_str(text), text->len, err);
	if (r < 0)
		return r;
	*ret_path = xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
	*ret_fd = take_fd(&fd);
	return 0;
}

void remote_split(const char *place, char **ret_user, char **ret_machine, char **ret_path)
{
	static const char here[] = "localhost:";
	size_t len = strcspn(place, ":/");
	size_t user = strcspn(place, "@");

	*ret_user = *ret_machine = NULL;
	if (strncmp(place, here, strlen(here)) == 0) {
		*ret_path = xstrdup(place + strlen(here));
		return;
	}
	if (place[len] != ':') {
		*ret_path = xstrdup(place);
		return;
	}
	user = user < len ? user + 1 : 0;
	*ret_user = xstrndup(place, user);
	*ret_machine = xstrndup(place + user, len - user);
	*ret_path = xstrdup(place + len + 1);
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
