// SPDX-License-Identifier: Apache-2.0
// The commands beside PID 1: poweroff, reboot, halt, shutdown, and the one behind /etc/init.d/docker.
#include "applets.h"

#include "control.h"
#include "cron.h"
#include "dhcp.h"
#include "engine.h"
#include "hostname.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/number.h"
#include "lib/path.h"
#include "timeline.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>

#define STOP_WAIT_MS 30000

static int ask(const char *program, const char *request)
{
	struct error err = ERROR_INIT;
	cleanup_buf struct buf answer = BUF_INIT;

	if (control_ask(request, &answer, &err) == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", program, err.msg);
	return 1;
}

// poweroff, reboot, halt: through PID 1, or with -f straight away. A machine that only stands still would go on as a process of
// its host, with nothing left in it to end it: so halt turns the power off, and shutdown -H is for who wants it on.
static int power_main(int argc, char **argv)
{
	const char *name = path_base(argv[0]);
	bool reboots = strcmp(name, "reboot") == 0;
	bool force = argc == 2 && (strcmp(argv[1], "-f") == 0 || strcmp(argv[1], "--force") == 0);

	if (argc > 1 && !force) {
		fprintf(stderr, "usage: %s [-f]\n  -f  at once, without ending containers and services\n", name);
		return strcmp(argv[1], "--help") == 0 ? 0 : 1;
	}
	if (!force)
		return ask(name, reboots ? "reboot" : "poweroff");
	sync();
	reboot(reboots ? RB_AUTOBOOT : RB_POWER_OFF);
	fprintf(stderr, "%s: %s\n", name, strerror(errno));
	return 1;
}

struct shutdown_request {
	const char *action;
	int minutes;
	bool cancel;
};

static bool parse_shutdown(int argc, char **argv, struct shutdown_request *ret)
{
	bool timed = false;

	*ret = (struct shutdown_request){ .action = "poweroff", .minutes = 1 };
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (strcmp(arg, "-h") == 0 || strcmp(arg, "-P") == 0)
			ret->action = "poweroff";
		else if (strcmp(arg, "-r") == 0)
			ret->action = "reboot";
		else if (strcmp(arg, "-H") == 0)
			ret->action = "halt";
		else if (strcmp(arg, "-c") == 0)
			ret->cancel = true;
		else if (timed)
			return *arg != '-'; // a message to the users
		else if (strcmp(arg, "now") == 0)
			ret->minutes = 0, timed = true;
		else if (number_parse_int(*arg == '+' ? arg + 1 : arg, 0, 43200, &ret->minutes, NULL) == 0)
			timed = true;
		else
			return false;
	}
	return true;
}

static int shutdown_main(int argc, char **argv)
{
	struct shutdown_request how;
	cleanup_free char *request = NULL;
	int r;

	if (!parse_shutdown(argc, argv, &how)) {
		fprintf(stderr,
			"usage: shutdown [-h | -P | -r | -H | -c] [now | +MINUTES]\n"
			"  -h, -P  power off (the default)\n  -r      reboot\n  -H      halt, with the power left on\n"
			"  -c      forget a planned one\nWithout a time: in one minute.\n");
		return 1;
	}
	if (how.cancel)
		return ask("shutdown", "cancel");
	request = xasprintf("%s %d", how.action, how.minutes * 60);
	r = ask("shutdown", request);
	if (r == 0 && how.minutes > 0)
		printf("%s in %d min; shutdown -c forgets it\n", how.action, how.minutes);
	return r;
}

// "running", "stopped", …; NULL (with a message) when PID 1 cannot be asked.
static char *engine_state(void)
{
	struct error err = ERROR_INIT;
	cleanup_buf struct buf answer = BUF_INIT;

	if (control_ask("status docker", &answer, &err) == 0)
		return buf_steal(&answer);
	fprintf(stderr, "docker: %s\n", err.msg);
	return NULL;
}

static bool is_running(const char *state)
{
	return strncmp(state, "running", 7) == 0;
}

static int engine_status(void)
{
	cleanup_free char *state = engine_state();
	bool running = state && is_running(state);

	printf("Docker daemon is %srunning\n", running ? "" : "not ");
	return running ? 0 : 1;
}

static int engine_stop(void)
{
	int64_t deadline = clock_ms() + STOP_WAIT_MS;

	if (ask("docker", "stop docker") != 0)
		return 1;
	while (clock_ms() < deadline) {
		cleanup_free char *state = engine_state();

		if (!state)
			return 1;
		if (strcmp(state, "stopped") == 0)
			return 0;
		clock_sleep_ms(50);
	}
	fprintf(stderr, "docker: the daemon did not end within %d s; see /var/lib/boot2docker/docker.log\n",
		STOP_WAIT_MS / 1000);
	return 1;
}

static int engine_certificates(void)
{
	struct guest g = { .root = "" };
	struct error err = ERROR_INIT;

	if (engine_renew_certificates(&g, &err) == 0)
		return 0;
	fprintf(stderr, "docker: %s\n", err.msg);
	return 1;
}

static int engine_main(int argc, char **argv)
{
	const char *verb = argc == 2 ? argv[1] : "";
	cleanup_free char *reload = xasprintf("signal docker %d", SIGHUP);

	if (strcmp(verb, "start") == 0)
		return ask("docker", "start docker");
	if (strcmp(verb, "stop") == 0)
		return engine_stop();
	if (strcmp(verb, "restart") == 0)
		return engine_stop() == 0 ? ask("docker", "start docker") : 1;
	if (strcmp(verb, "reload") == 0)
		return ask("docker", reload);
	if (strcmp(verb, "status") == 0)
		return engine_status();
	if (strcmp(verb, "certificates") == 0)
		return engine_certificates();
	fprintf(stderr, "usage: /etc/init.d/docker start|stop|restart|reload|certificates|status\n"
			"  certificates  takes up those that are in the files now, without a restart, or fails\n");
	return 1;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} applets[] = {
	{ "poweroff", power_main },        { "reboot", power_main },          { "halt", power_main },
	{ "shutdown", shutdown_main },     { "sethostname", hostname_main },  { "boot-timeline", timeline_main },
	{ "engine-control", engine_main }, { "dhcp-event", dhcp_event_main }, { "rotate-logs", cron_rotate_main },
};

int applets_run(int argc, char **argv)
{
	const char *name = path_base(argv[0]);

	for (size_t i = 0; i < ARRAY_SIZE(applets); i++)
		if (strcmp(applets[i].name, name) == 0)
			return applets[i].run(argc, argv);
	return -1;
}
