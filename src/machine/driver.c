// SPDX-License-Identifier: Apache-2.0
// The table of drivers, and what is the same for all of them; see driver.h.
#include "driver.h"

#include "generic/generic.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/json.h"
#include "lib/proc.h"
#include "none/none.h"
#include "qemu/qemu.h"
#include "store.h"
#include "virtualbox/virtualbox.h"

#include <errno.h>
#include <string.h>

enum { DEFAULT_ENGINE_PORT = 2376, DEFAULT_SSH_PORT = 22, PORT_MAX = 65535 };

const struct driver *const drivers[] = { &qemu_driver, &virtualbox_driver, &generic_driver, &none_driver, NULL };

const char *machine_state_name(enum machine_state state)
{
	static const char *const names[] = {
		[STATE_NONE] = "",
		[STATE_RUNNING] = "Running",
		[STATE_PAUSED] = "Paused",
		[STATE_SAVED] = "Saved",
		[STATE_STOPPED] = "Stopped",
		[STATE_STOPPING] = "Stopping",
		[STATE_STARTING] = "Starting",
		[STATE_ERROR] = "Error",
		[STATE_TIMEOUT] = "Timeout",
	};

	return names[state];
}

const struct driver *driver_find(const char *name)
{
	for (const struct driver *const *d = drivers; *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}

const char *driver_default(void)
{
	cleanup_free char *qemu = NULL;
	cleanup_free char *virtualbox = NULL;

	if (proc_find("qemu-system-x86_64", &qemu, NULL) < 0 && proc_find("VBoxManage", &virtualbox, NULL) == 0)
		return "virtualbox";
	return "qemu";
}

int driver_get(const char *name, const struct driver **ret, struct error *err)
{
	cleanup_buf struct buf known = BUF_INIT;

	*ret = driver_find(name);
	if (*ret)
		return 0;
	for (const struct driver *const *d = drivers; *d; d++)
		buf_printf(&known, "%s%s", known.len ? ", " : "", (*d)->name);
	return error_say(
		err, EINVAL,
		"Driver \"%s\" not found: this version has %s. Plug-ins (docker-machine-driver-%s) speak a protocol "
		"of Go programs only and cannot be used",
		name, buf_str(&known), name);
}

int machine_require_driver(const struct machine *m, struct error *err)
{
	const struct driver *driver;

	return m->driver ? 0 : driver_get(json_str_at(m->config, "DriverName", ""), &driver, err);
}

const char *machine_ip(const struct machine *m)
{
	return json_str_at(m->config, "Driver.IPAddress", "");
}

const char *machine_ssh_host(const struct machine *m)
{
	return m->driver && m->driver->ssh_host ? m->driver->ssh_host : machine_ip(m);
}

const char *machine_ssh_user(const struct machine *m)
{
	return json_str_at(m->config, "Driver.SSHUser", "docker");
}

// What is no port is 0, which nobody listens on.
static int port_at(const struct machine *m, const char *field, int fallback)
{
	int64_t port = json_int_at(m->config, field, fallback);

	return port >= 0 && port <= PORT_MAX ? (int)port : 0;
}

int machine_ssh_port(const struct machine *m)
{
	return port_at(m, "Driver.SSHPort", DEFAULT_SSH_PORT);
}

int machine_engine_port(const struct machine *m)
{
	return port_at(m, "Driver.EnginePort", DEFAULT_ENGINE_PORT);
}

char *machine_url(const struct machine *m)
{
	const char *ip = machine_ip(m);

	// Docker Machine's driver none knows the URL alone.
	return *ip ? xasprintf("tcp://%s:%d", ip, machine_engine_port(m))
		   : xstrdup(json_str_at(m->config, "Driver.URL", ""));
}

int machine_end(struct machine *m, struct error *err)
{
	int r = m->driver->kill ? m->driver->kill(m, err) : 0;

	return r == 0 && m->driver->remove ? m->driver->remove(m, err) : r;
}

int machine_get_state(struct machine *m, enum machine_state *ret, struct error *err)
{
	int r = machine_require_driver(m, err);

	return r < 0 ? r : m->driver->state(m, STATE_TIMEOUT_MS, ret, err);
}

char *machine_trouble(const struct machine *m)
{
	return m->driver && m->driver->trouble ? m->driver->trouble(m) : NULL;
}

int machine_require_running(struct machine *m, struct error *err)
{
	enum machine_state state;
	int r = machine_get_state(m, &state, err);

	if (r < 0)
		return r;
	return state == STATE_RUNNING ? 0 : error_say(err, ESHUTDOWN, "Host is not running");
}
