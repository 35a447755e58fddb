// SPDX-License-Identifier: Apache-2.0
// `info`: what the older tool told of its machine, as JSON.
#include "commands.h"

#include "../driver.h"
#include "../each.h"
#include "lib/alloc.h"
#include "lib/json.h"

#include <errno.h>

// The older tool's words are VirtualBox's.
static const char *older_state(enum machine_state state)
{
	static const char *const names[] = {
		[STATE_NONE] = "unregistered", [STATE_RUNNING] = "running",  [STATE_PAUSED] = "paused",
		[STATE_SAVED] = "saved",       [STATE_STOPPED] = "poweroff", [STATE_STOPPING] = "stopping",
		[STATE_STARTING] = "starting", [STATE_ERROR] = "aborted",    [STATE_TIMEOUT] = "timeout",
	};

	return names[state];
}

static json_t *new_info(const struct machine *m, enum machine_state state)
{
	cleanup_free char *iso = machine_path(m, "boot2docker.iso");
	cleanup_free char *config = machine_path(m, "config.json");
	cleanup_free char *console = m->driver->console_path ? m->driver->console_path(m) : NULL;

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:i, s:i, s:s}", "Name", m->name, "Driver",
			 m->driver->name, "State", older_state(state), "Iso", iso, "CPUs",
			 (json_int_t)json_int_at(m->config, "Driver.CPU", 0), "Memory",
			 (json_int_t)json_int_at(m->config, "Driver.Memory", 0), "DiskSize",
			 (json_int_t)json_int_at(m->config, "Driver.DiskSize", 0), "CfgFile", config, "BaseFolder",
			 m->dir, "IP", machine_ip(m), "DockerPort", machine_engine_port(m), "SSHPort",
			 machine_ssh_port(m), "SerialFile", console ? console : "");
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_machine struct machine *m = NULL;
	enum machine_state state = STATE_NONE;

	(void)options;
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = machine_get_state(m, &state, err);
	if (r < 0)
		return r;
	cleanup_json json_t *info = new_info(m, state);
	if (!info || json_dumpf(info, stdout, JSON_PRESERVE_ORDER) < 0)
		return error_say(err, EINVAL, "machine \"%s\": the path %s is not UTF-8", m->name, m->dir);
	putchar('\n');
	return 0;
}

const struct command command_info = {
	.name = "info",
	.arguments = "[NAME]",
	.summary = "Display detailed information of the machine, as JSON",
	.run = run,
};
