// SPDX-License-Identifier: Apache-2.0
// The guest agent's commands: a row each. Running programs (guest-exec) and reading files are not among them.
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/version.h"
#include "qemu_agent_facts.h"
#include "qemu_agent_freeze.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RTC_FILE "/sys/class/rtc/rtc0/since_epoch"
#define NS_PER_S 1000000000LL

enum command_flags {
	SILENT = 1, // success has no answer: the system is going down
	DELIMITED = 2, // the answer begins with the byte 0xff
	FROZEN_TOO = 4, // needs no disk, and may be asked while they are frozen
};

struct command {
	const char *name;
	int (*run)(struct agent *a, const json_t *arguments, json_t **ret, struct error *err); // *ret is {} before
	int flags;
};

static void answer_with(json_t **ret, json_t *value)
{
	json_decref(*ret);
	*ret = value;
}

static int ping(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	(void)a;
	(void)arguments;
	(void)ret;
	(void)err;
	return 0;
}

static int sync_id(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	json_t *id = json_object_get(arguments, "id");

	(void)a;
	if (!json_is_integer(id))
		return error_say(err, EINVAL, "Parameter 'id' is missing or no integer");
	answer_with(ret, json_incref(id));
	return 0;
}

static int get_time(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	struct timespec now;

	(void)a;
	(void)arguments;
	(void)err;
	clock_gettime(CLOCK_REALTIME, &now);
	answer_with(ret, json_integer((json_int_t)now.tv_sec * NS_PER_S + now.tv_nsec));
	return 0;
}

// Without a time the RTC's counts, which is the host's.
static int set_time(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	json_t *time = json_object_get(arguments, "time");
	cleanup_free char *rtc = NULL;
	int64_t seconds = 0;

	(void)ret;
	if (time && (!json_is_integer(time) || json_integer_value(time) < 0))
		return error_say(err, EINVAL, "Parameter 'time' is no number of nanoseconds since 1970");
	if (time)
		return a->system->set_clock(json_integer_value(time), err);
	rtc = guest_read(a->guest, RTC_FILE);
	if (!rtc || number_parse_i64(rtc, 0, INT64_MAX / NS_PER_S, &seconds, NULL) < 0)
		return error_say(err, ENODEV, "there is no hardware clock to take the time from; give a 'time'");
	return a->system->set_clock(seconds * NS_PER_S, err);
}

static int shut_down(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	static const char *const modes[][2] = {
		{ "powerdown", "poweroff" },
		{ "reboot", "reboot" },
		{ "halt", "halt" },
	};
	const char *mode = json_str_at(arguments, "mode", "powerdown");
	cleanup_buf struct buf answer = BUF_INIT;

	(void)ret;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(mode, modes[i][0]) == 0) {
			log_info("guest agent: the host asks for %s", modes[i][1]);
			return a->system->control(modes[i][1], &answer, err);
		}
	return error_say(err, EINVAL, "Parameter 'mode' is none of powerdown, reboot, halt");
}

static int freeze_status(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	(void)arguments;
	(void)err;
	answer_with(ret, json_string(a->thaw_ms ? "frozen" : "thawed"));
	return 0;
}

static int freeze(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	int count = agent_freeze(a, err);

	(void)arguments;
	if (count < 0)
		return count;
	answer_with(ret, json_integer(count));
	return 0;
}

static int thaw(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	(void)arguments;
	(void)err;
	answer_with(ret, json_integer(agent_thaw(a)));
	return 0;
}

static int interfaces(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	(void)arguments;
	(void)err;
	answer_with(ret, agent_interfaces(a->guest));
	return 0;
}

static int osinfo(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	(void)arguments;
	(void)err;
	answer_with(ret, agent_osinfo(a->guest));
	return 0;
}

static int host_name(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	char name[256] = "";

	(void)a;
	(void)arguments;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return error_set(err, errno, "host name");
	answer_with(ret, json_pack("{s:o}", "host-name", json_text(name)));
	return 0;
}

static int info(struct agent *a, const json_t *arguments, json_t **ret, struct error *err);

static const struct command commands[] = {
	{ "guest-fsfreeze-freeze", freeze, 0 },
	{ "guest-fsfreeze-status", freeze_status, FROZEN_TOO },
	{ "guest-fsfreeze-thaw", thaw, FROZEN_TOO },
	{ "guest-get-host-name", host_name, FROZEN_TOO },
	{ "guest-get-osinfo", osinfo, FROZEN_TOO },
	{ "guest-get-time", get_time, FROZEN_TOO },
	{ "guest-info", info, FROZEN_TOO },
	{ "guest-network-get-interfaces", interfaces, FROZEN_TOO },
	{ "guest-ping", ping, FROZEN_TOO },
	{ "guest-set-time", set_time, FROZEN_TOO },
	{ "guest-shutdown", shut_down, SILENT },
	{ "guest-sync", sync_id, FROZEN_TOO },
	{ "guest-sync-delimited", sync_id, FROZEN_TOO | DELIMITED },
};

static int info(struct agent *a, const json_t *arguments, json_t **ret, struct error *err)
{
	json_t *list = json_array();

	(void)a;
	(void)arguments;
	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "name", commands[i].name, "enabled", 1,
						      "success-response", !(commands[i].flags & SILENT)));
	json_object_set_new(*ret, "version", json_string(B2D_VERSION));
	json_object_set_new(*ret, "supported_commands", list);
	return 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static json_t *error_answer(const char *class, const char *text)
{
	return json_pack("{s:{s:s, s:o}}", "error", "class", class, "desc", json_text(text));
}

// The answer to a request that could be read; NULL: none.
static json_t *run_request(struct agent *a, const json_t *request, const struct command *command)
{
	const json_t *arguments = json_object_get(request, "arguments");
	cleanup_json json_t *value = json_object();
	struct error err = ERROR_INIT;

	if (!command)
		return error_answer("CommandNotFound", "The command is not known to this agent");
	if (arguments && !json_is_object(arguments))
		return error_answer("GenericError", "'arguments' is no object");
	if (a->thaw_ms && !(command->flags & FROZEN_TOO))
		return error_answer("GenericError", "the file systems are frozen: thaw them first");
	if (command->run(a, arguments, &value, &err) < 0)
		return error_answer("GenericError", err.msg);
	return command->flags & SILENT ? NULL : json_pack("{s:O}", "return", value);
}

static void write_answer(json_t *answer, const json_t *request, bool delimited, struct buf *ret)
{
	json_t *id = json_object_get(request, "id");
	cleanup_free char *text = NULL;

	if (id)
		json_object_set(answer, "id", id);
	text = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (delimited)
		buf_putc(ret, (char)0xff);
	buf_printf(ret, "%s\n", text ? text : "{\"error\":{\"class\":\"GenericError\",\"desc\":\"out of memory\"}}");
}

void agent_answer(struct agent *a, const char *text, size_t len, struct buf *ret)
{
	struct error err = ERROR_INIT;
	cleanup_json json_t *request = NULL, *answer = NULL;
	const struct command *command = NULL;

	if (json_read_text(text, len, "request", &request, &err) < 0) {
		answer = error_answer("GenericError", err.msg);
	} else if (!json_is_string(json_object_get(request, "execute"))) {
		answer = error_answer("GenericError", "'execute' is missing: no command");
	} else {
		command = find_command(json_str_at(request, "execute", ""));
		answer = run_request(a, request, command);
	}
	if (answer)
		write_answer(answer, request, command && command->flags & DELIMITED, ret);
}
