// SPDX-License-Identifier: Apache-2.0
// PID 1 at work.
//
// Theory of operation
//
// One thread, one epoll. PID 1 reads signals (through signalfd), the kernel's device messages, power buttons and its control
// socket; it forks steps and services and reaps whatever ends, which includes every orphan of the system. It never waits for
// anything but the epoll, so it is always there to reap, to restart, and to go down. Going down is the same loop with an end:
// services are stopped in the order of their numbers, each number bounded by its own kill times.
#include "init.h"

#include "bootlog.h"
#include "child.h"
#include "connections.h"
#include "control.h"
#include "hosttime.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/strv.h"
#include "loop.h"
#include "modules.h"
#include "network.h"
#include "power.h"
#include "shutdown.h"
#include "uevent.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#define HOTPLUG_DELAY_MS 50 // devices come in groups: one modprobe for all
#define COLDPLUG_DELAY_MS 5000 // what appears while the boot loads modules itself is looked at again after it
#define HOSTTIME_FIRST_MS 5000 // not in the middle of the boot
#define SLOW_KERNEL_US 10000000 // each such span that the kernel took adds to the time that the steps have
#define STOP_ORDERS 3
#define STOP_SLACK_MS 1000 // beyond the time that a service has

struct init {
	struct guest *guest;
	const struct boot *boot;
	struct loop loop;
	struct steps steps;
	struct services services;
	struct hosttime hosttime;
	struct step *service_steps; // the services' rows as steps
	struct strv aliases; // of devices that appeared and have not been looked at
	int64_t aliases_due_ms;
	enum power_action planned;
	int64_t planned_ms; // clock_ms() when it is due
	bool closing;
};

static int start_service_step(void *arg, const char *name, struct error *err)
{
	struct init *in = arg;

	for (size_t i = 0; i < in->boot->service_count; i++)
		if (strcmp(in->boot->services[i]->name, name) == 0)
			return services_start_row(&in->services, in->boot->services[i], err);
	return error_say(err, ENOENT, "there is no service %s", name);
}

static int add_steps(struct init *in, struct error *err)
{
	const struct boot *boot = in->boot;
	size_t count = 0;
	int r = steps_add(&in->steps, boot->steps, boot->step_count, err);

	if (r < 0)
		return r;
	in->service_steps = xcalloc(boot->service_count, sizeof(*in->service_steps));
	for (size_t i = 0; i < boot->service_count; i++)
		if (boot->services[i]->after)
			in->service_steps[count++] =
				(struct step){ .name = boot->services[i]->name, .after = boot->services[i]->after };
	r = steps_add(&in->steps, in->service_steps, count, err);
	return r < 0 ? r : steps_check(&in->steps, err);
}

static void start_rescue(struct init *in)
{
	struct error err = ERROR_INIT;

	if (!in->steps.broken || services_find(&in->services, in->boot->rescue->name))
		return;
	bootlog_console("The boot stops at %s, see /boot.log; a root shell is on the console",
			in->steps.broken->step->name);
	if (services_start_row(&in->services, in->boot->rescue, &err) < 0)
		log_error("%s", err.msg);
}

static void advance(struct init *in)
{
	if (in->closing)
		return;
	steps_start_ready(&in->steps);
	start_rescue(in);
}

static void reap(struct init *in)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!steps_child_ended(&in->steps, pid, status))
			services_child_ended(&in->services, pid, status);
	advance(in);
}

// --- going down

// One turn of the loop, at most timeout_ms long.
static void turn(struct init *in, int64_t timeout_ms)
{
	bool missed_time;
	const int64_t waits[] = { steps_tick(&in->steps), services_tick(&in->services),
				  hosttime_tick(&in->hosttime, in->guest, &missed_time), timeout_ms };
	int64_t wait = -1;

	if (missed_time)
		connections_check(in->guest);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		if (waits[i] >= 0 && (wait < 0 || waits[i] < wait))
			wait = waits[i];
	loop_wait(&in->loop, wait > INT32_MAX ? INT32_MAX : (int)wait);
}

static int longest_stop(const struct services *s, int order)
{
	int longest = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct service_row *row = s->list[i]->row;
		int stop_ms = row->stop_ms ? row->stop_ms : 5000;

		if (row->stop_order == order && stop_ms > longest)
			longest = stop_ms;
	}
	return longest;
}

static void go_down(struct init *in)
{
	bootlog_console("The system is going down: %s", power_name(in->planned));
	in->closing = true;
	in->services.closing = true;
	for (int order = 0; order < STOP_ORDERS; order++) {
		int64_t deadline = clock_ms() + longest_stop(&in->services, order) + STOP_SLACK_MS;

		services_stop_order(&in->services, order);
		while (!services_order_ended(&in->services, order) && clock_ms() < deadline)
			turn(in, deadline - clock_ms());
	}
	shutdown_finish(in->guest, in->planned);
}

static void plan_power(struct init *in, enum power_action action, int64_t after_ms)
{
	if (in->closing)
		return;
	in->planned = action;
	in->planned_ms = clock_ms() + after_ms;
}

static void on_signal(int fd, void *arg)
{
	struct init *in = arg;
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(in);
			break;
		case SIGINT: // Ctrl-Alt-Del
		case SIGTERM: // as busybox's tools have it
			plan_power(in, POWER_REBOOT, 0);
			break;
		case SIGUSR1:
			plan_power(in, POWER_HALT, 0);
			break;
		default: // SIGUSR2, SIGPWR
			plan_power(in, POWER_OFF, 0);
		}
	}
}

// --- the control socket

static int control_power(struct init *in, const char *action, const char *seconds, struct error *err)
{
	uint64_t delay = 0;
	int r = seconds ? number_parse_u64(seconds, 0, 30 * 86400, &delay, err) : 0;

	if (r < 0)
		return r;
	for (enum power_action a = POWER_OFF; a <= POWER_HALT; a++)
		if (strcmp(action, power_name(a)) == 0)
			plan_power(in, a, (int64_t)delay * 1000);
	return 0;
}

static void describe(const struct service *v, char *answer)
{
	static const char *const words[] = { "stopped", "running", "paused", "stopping" };

	if (v->state == SERVICE_RUNNING)
		snprintf(answer, CONTROL_MAX, "running %d", (int)v->pid);
	else
		snprintf(answer, CONTROL_MAX, "%s", words[v->state]);
}

static int control_service(struct init *in, const struct strv *words, char *answer, struct error *err)
{
	const char *verb = words->items[0], *name = words->count > 1 ? words->items[1] : "";
	struct service *v = services_find(&in->services, name);
	int number = 0;

	if (!v)
		return error_say(err, ENOENT, "there is no service \"%.64s\"", name);
	if (strcmp(verb, "start") == 0)
		return services_start(&in->services, v, err);
	if (strcmp(verb, "stop") == 0)
		services_stop(&in->services, v);
	else if (strcmp(verb, "restart") == 0)
		services_restart(&in->services, v);
	else if (strcmp(verb, "status") == 0)
		describe(v, answer);
	else if (words->count == 3 && number_parse_int(words->items[2], 1, 64, &number, err) == 0 && v->pid > 0)
		kill(v->pid, number);
	else
		return error_say(err, ESRCH, "%s does not run", name);
	return 0;
}

static int control_handle(struct init *in, const char *request, char *answer, struct error *err)
{
	static const char *const service_verbs[] = { "start", "stop", "restart", "status", "signal" };
	cleanup_strv struct strv words = STRV_INIT;
	const char *verb;

	strv_split(&words, request, " \n");
	verb = words.count ? words.items[0] : "";
	for (size_t i = 0; i < ARRAY_SIZE(service_verbs); i++)
		if (strcmp(verb, service_verbs[i]) == 0)
			return control_service(in, &words, answer, err);
	if (strcmp(verb, "poweroff") == 0 || strcmp(verb, "reboot") == 0 || strcmp(verb, "halt") == 0)
		return control_power(in, verb, words.count > 1 ? words.items[1] : NULL, err);
	if (strcmp(verb, "cancel") != 0)
		return error_say(err, EINVAL, "PID 1 does not know \"%.64s\"", verb);
	if (in->planned == POWER_NONE)
		snprintf(answer, CONTROL_MAX, "nothing planned");
	in->planned = POWER_NONE;
	return 0;
}

static void on_control(int fd, void *arg)
{
	struct init *in = arg;
	char request[CONTROL_MAX], answer[CONTROL_MAX] = "ok";
	struct error err = ERROR_INIT;
	cleanup_close int client = -1;
	bool is_root, may;

	if (!control_accept(fd, request, &is_root, &client))
		return;
	may = is_root || strncmp(request, "status ", 7) == 0;
	if (!may)
		snprintf(answer, sizeof(answer), "error: only root may do this; put sudo before the command");
	else if (control_handle(in, request, answer, &err) < 0)
		snprintf(answer, sizeof(answer), "error: %.240s", err.msg);
	control_answer(client, answer);
}

// --- devices

static void on_button(int fd, void *arg)
{
	struct init *in = arg;
	bool gone;

	if (power_button_pressed(fd, &gone)) {
		log_info("the power button was pressed");
		plan_power(in, POWER_OFF, 0);
	}
	if (gone) {
		loop_remove(&in->loop, fd);
		close(fd);
	}
}

static void add_button(struct init *in, const char *name)
{
	struct error err = ERROR_INIT;
	cleanup_close int fd = -1;

	if (power_open_button(in->guest, name, &fd, &err) < 0)
		return; // another kind of input device
	if (loop_add(&in->loop, fd, on_button, in, &err) < 0)
		log_warn("power button: %s", err.msg);
	else
		(void)take_fd(&fd);
}

static void add_buttons_there(struct init *in)
{
	cleanup_free char *path = guest_path(in->guest, "/dev/input");
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "event", 5) == 0)
			add_button(in, entry->d_name);
	if (dir)
		closedir(dir);
}

static void network_changed(struct init *in, const struct uevent *event)
{
	struct error err = ERROR_INIT;
	cleanup_free char *name = NULL;
	struct service *v;

	if (strcmp(event->action, "add") == 0 && network_is_ethernet(in->guest, event->interface)) {
		v = services_add(&in->services, in->boot->network, event->interface);
		if (services_start(&in->services, v, &err) < 0)
			log_warn("%s", err.msg);
	} else if (strcmp(event->action, "remove") == 0) {
		name = xasprintf("%s-%s", in->boot->network->name, event->interface);
		v = services_find(&in->services, name);
		if (v)
			services_stop(&in->services, v);
	}
}

static void alias_appeared(struct init *in, const char *alias)
{
	const struct step_run *modules = steps_find(&in->steps, "modules");
	bool loaded = !modules || modules->state == STEP_DONE || modules->state == STEP_FAILED;

	if (!modules_is_alias(alias) || strv_contains(&in->aliases, alias))
		return;
	strv_push(&in->aliases, alias);
	if (!in->aliases_due_ms)
		in->aliases_due_ms = clock_ms() + (loaded ? HOTPLUG_DELAY_MS : COLDPLUG_DELAY_MS);
}

// A device that a service waits for. While the service's own step is to come, that will find it.
static void device_appeared(struct init *in, const char *name)
{
	for (size_t i = 0; i < in->boot->service_count; i++) {
		const struct service_row *row = in->boot->services[i];
		const struct step_run *step = row->after ? steps_find(&in->steps, row->name) : NULL;
		struct error err = ERROR_INIT;

		if (!row->device || strncmp(name, row->device, strlen(row->device)) != 0 || in->closing)
			continue;
		if (step && step->state == STEP_DONE && services_start_row(&in->services, row, &err) < 0)
			log_warn("%s: %s", row->name, err.msg);
	}
}

static void on_uevent(int fd, void *arg)
{
	struct init *in = arg;
	struct uevent event;
	char message[8192];

	while (uevent_receive(fd, message, sizeof(message), &event)) {
		bool added = strcmp(event.action, "add") == 0;

		if (event.devpath && added && strcmp(event.subsystem, "module") == 0)
			log_debug("module %s was loaded", path_base(event.devpath));
		if (event.modalias && added)
			alias_appeared(in, event.modalias);
		if (event.interface && strcmp(event.subsystem, "net") == 0)
			network_changed(in, &event);
		if (event.devname && added && strncmp(event.devname, "input/event", 11) == 0)
			add_button(in, event.devname + strlen("input/"));
		if (event.devname && (added || strcmp(event.action, "change") == 0)) // a port's name comes as a change
			device_appeared(in, event.devname);
	}
}

static void load_for_aliases(struct init *in)
{
	struct error err = ERROR_INIT;
	pid_t pid;

	if (!in->aliases_due_ms || clock_ms() < in->aliases_due_ms)
		return;
	pid = child_fork(&err);
	if (pid == 0)
		_exit(modules_load(&in->aliases, &err) < 0);
	if (pid < 0)
		log_warn("modules for new devices: %s", err.msg);
	strv_done(&in->aliases);
	in->aliases_due_ms = 0;
}

// --- the loop

static int watch_signals(struct init *in, struct error *err)
{
	static const int signals[] = { SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPWR };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "signalfd");
	reboot(RB_DISABLE_CAD); // Ctrl-Alt-Del comes as SIGINT
	return loop_add(&in->loop, fd, on_signal, in, err);
}

static void watch_rest(struct init *in)
{
	struct error err = ERROR_INIT;
	cleanup_free char *path = guest_path(in->guest, CONTROL_SOCKET);
	int fd;

	if (control_listen(path, &fd, &err) < 0 || loop_add(&in->loop, fd, on_control, in, &err) < 0)
		log_error("control socket: %s", err.msg);
	add_buttons_there(in);
}

static void watch_devices(struct init *in)
{
	struct error err = ERROR_INIT;
	int fd;

	if (uevent_open(&fd, &err) < 0 || loop_add(&in->loop, fd, on_uevent, in, &err) < 0)
		log_error("%s: what is plugged in later is not noticed", err.msg);
}

static int64_t until(int64_t due_ms)
{
	int64_t left = due_ms - clock_ms();

	return left < 0 ? 0 : left;
}

static void live(struct init *in)
{
	for (;;) {
		int64_t wait = -1;

		load_for_aliases(in);
		if (in->planned != POWER_NONE && until(in->planned_ms) == 0)
			return;
		if (in->planned != POWER_NONE)
			wait = until(in->planned_ms);
		if (in->aliases_due_ms && (wait < 0 || until(in->aliases_due_ms) < wait))
			wait = until(in->aliases_due_ms);
		turn(in, wait);
	}
}

void init_run(struct guest *g, const struct boot *boot)
{
	struct init in = { .guest = g, .boot = boot };
	struct error err = ERROR_INIT;

	in.steps = (struct steps){ .guest = g,
				   .start_service = start_service_step,
				   .arg = &in,
				   .patience = 1 + (int)(bootlog_now_us() / SLOW_KERNEL_US) };
	in.services.guest = g;
	in.hosttime.due_ms = clock_ms() + HOSTTIME_FIRST_MS;
	if (loop_init(&in.loop, &err) < 0 || watch_signals(&in, &err) < 0 || add_steps(&in, &err) < 0)
		log_error("%s", err.msg);
	watch_devices(&in);
	advance(&in);
	watch_rest(&in);
	live(&in);
	go_down(&in);
}
