// SPDX-License-Identifier: Apache-2.0
// Unit tests of PID 1 without a machine: the step scheduler, the supervisor, and the whole of init as the first process of a
// namespace of its own, over a folder as root.
#include "../unit/test.h"

#include "child.h"
#include "control.h"
#include "init.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "root-folder.h"
#include "services.h"
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct guest guest;

static int make_guest(void **state)
{
	int r = make_root(state);

	guest = (struct guest){ .root = root };
	cleanup_free char *run = guest_path(&guest, GUEST_RUN);

	return r == 0 ? file_mkdirs(run, 0755, &err) : r;
}

// Appends a word to ROOT/notes: how children tell what they did.
static void note(const char *word)
{
	cleanup_free char *path = guest_path(&guest, "/notes");
	cleanup_free char *line = xasprintf("%s ", word);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	(void)!write(fd, line, strlen(line));
	close(fd);
}

static char *notes(void)
{
	cleanup_free char *path = guest_path(&guest, "/notes");
	struct buf text = BUF_INIT;

	(void)!file_read(path, 65536, &text, NULL); // not there yet: nothing was noted
	return buf_steal(&text);
}

// --- steps

static int step_first(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	note("first");
	return 0;
}

static int step_second(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	note("second");
	return 0;
}

static int step_slow(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	clock_sleep_ms(300);
	return 0;
}

static int step_fails(struct guest *g, struct error *e)
{
	(void)g;
	return error_say(e, EIO, "as it was meant to");
}

static int step_hangs(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	pause();
	return 0;
}

static int step_crashes(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	raise(SIGSEGV);
	return 0;
}

static int start_service(void *arg, const char *name, struct error *e)
{
	(void)arg;
	(void)e;
	note(name);
	return 0;
}

static void run_steps(struct steps *s, const struct step *rows, size_t count, int patience)
{
	pid_t pid;
	int status;

	*s = (struct steps){ .guest = &guest, .start_service = start_service, .patience = patience };
	assert_ok(steps_add(s, rows, count, &err), &err);
	assert_ok(steps_check(s, &err), &err);
	steps_start_ready(s);
	while (!steps_all_over(s) && !s->broken) {
		steps_tick(s);
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			assert_true(steps_child_ended(s, pid, status));
			steps_start_ready(s);
		} else {
			clock_sleep_ms(2);
		}
	}
}

static void steps_run_after_what_they_need(void **state)
{
	static const struct step rows[] = {
		{ "last", NULL, "second first", 0, 0 },
		{ "second", step_second, "first", 0, 0 },
		{ "first", step_first, NULL, STEP_INLINE, 0 },
	};
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	cleanup_free char *text = notes();

	assert_string_equal(text, "first second last ");
	steps_done(&s);
}

static void steps_that_do_not_need_each_other_run_at_once(void **state)
{
	static const struct step rows[] = {
		{ "a", step_slow, NULL, 0, 0 }, { "b", step_slow, NULL, 0, 0 }, { "c", step_slow, NULL, 0, 0 },
		{ "d", step_slow, NULL, 0, 0 }, { "e", step_slow, NULL, 0, 0 },
	};
	int64_t start = clock_ms();
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	assert_true(clock_ms() - start < 5 * 300);
	steps_done(&s);
}

static void the_boot_goes_on_after_a_failed_a_crashed_and_a_hanging_step(void **state)
{
	static const struct step rows[] = {
		{ "fails", step_fails, NULL, 0, 0 },
		{ "crashes", step_crashes, NULL, 0, 0 },
		{ "hangs", step_hangs, NULL, 0, 200 },
		{ "first", step_first, "fails crashes hangs", 0, 0 },
	};
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	cleanup_free char *text = notes();

	assert_string_equal(text, "first ");
	assert_int_equal(steps_find(&s, "fails")->state, STEP_FAILED);
	assert_int_equal(steps_find(&s, "crashes")->state, STEP_FAILED);
	assert_int_equal(steps_find(&s, "hangs")->state, STEP_FAILED);
	assert_null(s.broken);
	assert_contains(buf_str(&log_text), "crashes: killed by SIGSEGV");
	assert_contains(buf_str(&log_text), "hangs: not done after 200 ms");
	steps_done(&s);
}

static void a_slow_machine_has_more_time(void **state)
{
	static const struct step rows[] = { { "slow", step_slow, NULL, 0, 100 } };
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	assert_int_equal(steps_find(&s, "slow")->state, STEP_FAILED);
	steps_done(&s);
	run_steps(&s, rows, ARRAY_SIZE(rows), 100);
	assert_int_equal(steps_find(&s, "slow")->state, STEP_DONE);
	steps_done(&s);
}

static void a_step_of_templates_is_over_at_once_in_any_other_machine(void **state)
{
	static const struct step rows[] = {
		{ "of-templates", step_first, NULL, STEP_TEMPLATE, 0 },
		{ "second", step_second, "of-templates", STEP_INLINE, 0 },
	};
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	steps_done(&s);
	guest.options.template = true;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	steps_done(&s);
	cleanup_free char *text = notes();
	assert_string_equal(text, "second first second ");
}

static void a_failed_required_step_ends_the_boot(void **state)
{
	static const struct step rows[] = {
		{ "fails", step_fails, NULL, STEP_INLINE | STEP_REQUIRED, 0 },
		{ "first", step_first, "fails", 0, 0 },
		{ "second", step_second, NULL, 0, 0 },
	};
	struct steps s;

	(void)state;
	run_steps(&s, rows, ARRAY_SIZE(rows), 0);
	cleanup_free char *text = notes();

	assert_string_equal(text, "");
	assert_string_equal(s.broken->step->name, "fails");
	steps_done(&s);
}

static void tables_that_cannot_work_are_found(void **state)
{
	static const struct step circle[] = { { "a", step_first, "b", 0, 0 }, { "b", step_first, "a", 0, 0 } };
	static const struct step unknown[] = { { "a", step_first, "nobody", 0, 0 } };
	static const struct step twice[] = { { "a", step_first, NULL, 0, 0 }, { "a", step_first, NULL, 0, 0 } };
	struct steps s = { .guest = &guest };

	(void)state;
	assert_ok(steps_add(&s, circle, 2, &err), &err);
	assert_int_equal(steps_check(&s, &err), -ELOOP);
	steps_done(&s);
	assert_ok(steps_add(&s, unknown, 1, &err), &err);
	assert_int_equal(steps_check(&s, &err), -ELOOP);
	steps_done(&s);
	assert_int_equal(steps_add(&s, twice, 2, &err), -EEXIST);
	steps_done(&s);
}

// --- services

static int shell(struct launch *launch, const char *script)
{
	strv_push(&launch->argv, "/bin/sh");
	strv_push(&launch->argv, "-c");
	strv_push(&launch->argv, script);
	strv_push(&launch->argv, "sh");
	strv_pushf(&launch->argv, "%s/notes", guest.root);
	return 0;
}

static int prepare_short(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "printf 'x ' >>$1; exit 3");
}

static int prepare_stubborn(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "trap '' TERM; printf 'up ' >>$1; while :; do sleep 1; done");
}

static int prepare_ended(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "exit 0");
}

static int prepare_long(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "printf 'up ' >>$1; exec sleep 60");
}

static int prepare_absent(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)launch;
	note("asked");
	return error_say(e, ENODEV, "not here");
}

static void watch(struct services *s, int64_t ms)
{
	int64_t end = clock_ms() + ms;
	pid_t pid;
	int status;

	while (clock_ms() < end) {
		services_tick(s);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			assert_true(services_child_ended(s, pid, status));
		clock_sleep_ms(5);
	}
}

static void wait_for_note(struct services *s, const char *part)
{
	for (int i = 0; i < 500; i++) {
		cleanup_free char *text = notes();

		if (strstr(text, part))
			return;
		watch(s, 20);
	}
	fail_msg("no note \"%s\"", part);
}

static void a_service_that_keeps_ending_is_started_with_growing_pauses(void **state)
{
	static const struct service_row row = { .name = "short", .prepare = prepare_short };
	struct services s = { .guest = &guest };
	struct service *v = services_add(&s, &row, NULL);

	(void)state;
	assert_ok(services_start(&s, v, &err), &err);
	wait_for_note(&s, "x x x ");
	cleanup_free char *text = notes();

	assert_true(strlen(text) < 2 * 8); // and not as fast as it can
	assert_true(v->pause_ms >= 400 && v->pause_ms <= 10000);
	assert_contains(buf_str(&log_text), "short ended (exit status 3); starting it again in 0.1 s");
	services_stop(&s, v);
	watch(&s, 50);
	services_done(&s);
}

static void a_service_that_ignores_its_signal_is_killed(void **state)
{
	static const struct service_row row = { .name = "stubborn", .prepare = prepare_stubborn, .stop_ms = 200 };
	struct services s = { .guest = &guest };
	struct service *v = services_add(&s, &row, NULL);

	(void)state;
	assert_ok(services_start(&s, v, &err), &err);
	wait_for_note(&s, "up ");
	services_stop(&s, v);
	watch(&s, 1000);
	assert_int_equal(v->state, SERVICE_STOPPED);
	assert_contains(buf_str(&log_text), "stubborn does not stop: killed");
	services_done(&s);
}

static void a_service_is_restarted_and_stopped_on_demand(void **state)
{
	static const struct service_row row = { .name = "long", .prepare = prepare_long };
	struct services s = { .guest = &guest };
	struct service *v = services_add(&s, &row, NULL);

	(void)state;
	assert_ok(services_start(&s, v, &err), &err);
	assert_ok(services_start(&s, v, &err), &err); // running already
	wait_for_note(&s, "up ");
	services_restart(&s, v);
	wait_for_note(&s, "up up ");
	assert_int_equal(v->state, SERVICE_RUNNING);
	kill(v->pid, SIGKILL);
	wait_for_note(&s, "up up up ");
	s.closing = true;
	services_stop_order(&s, 0);
	watch(&s, 300);
	assert_true(services_order_ended(&s, 0));
	assert_true(services_start(&s, v, &err) < 0); // the system goes down
	services_done(&s);
}

static void a_service_without_anything_to_serve_is_not_tried_again(void **state)
{
	static const struct service_row row = { .name = "absent", .prepare = prepare_absent };
	struct services s = { .guest = &guest };
	struct service *v = services_add(&s, &row, "tty9");

	(void)state;
	assert_string_equal(v->name, "absent-tty9");
	assert_ok(services_start(&s, v, &err), &err);
	watch(&s, 500);
	cleanup_free char *text = notes();

	assert_string_equal(text, "asked ");
	assert_int_equal(v->state, SERVICE_STOPPED);
	services_done(&s);
}

static void a_service_that_may_end_is_started_again_only_after_a_failure(void **state)
{
	static const struct service_row ends = { .name = "ends", .prepare = prepare_short, .may_end = true };
	static const struct service_row asked = { .name = "asked", .prepare = prepare_ended, .may_end = true };
	struct services s = { .guest = &guest };

	(void)state;
	assert_ok(services_start(&s, services_add(&s, &ends, NULL), &err), &err); // with exit status 3
	wait_for_note(&s, "x x ");
	services_stop(&s, services_find(&s, "ends"));
	assert_ok(services_start(&s, services_add(&s, &asked, NULL), &err), &err);
	watch(&s, 1000);
	assert_int_equal(services_find(&s, "asked")->state, SERVICE_STOPPED);
	assert_contains(buf_str(&log_text), "asked was ended; it is not started again");
	services_done(&s);
}

// --- the whole of it, as PID 1

#define PARENTS 10
#define ORPHANS_EACH 1000
#define OTHERS 8 // the step itself, two services, what these run

// Ends with a thousand children that have ended before it: PID 1 gets them all at once.
static _Noreturn void leave_orphans(void)
{
	for (int i = 0; i < ORPHANS_EACH; i++)
		if (vfork() == 0) // NOLINT(clang-analyzer-security.insecureAPI.vfork): it only ends
			_exit(0);
	_exit(0);
}

static int step_orphans(struct guest *g, struct error *e)
{
	(void)g;
	(void)e;
	for (int i = 0; i < PARENTS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			leave_orphans();
		if (fork() == 0) { // and one that lives a little longer than its parent
			if (fork() == 0)
				clock_sleep_ms(1);
			_exit(0);
		}
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	note("orphans");
	return 0;
}

// A zombie still has its pid. After a while nobody but PID 1, this step and the services is left.
static int step_count(struct guest *g, struct error *e)
{
	int left = 0;

	(void)g;
	for (int round = 0; round < 200; round++) {
		left = 0;
		for (pid_t pid = 2; pid < PARENTS * ORPHANS_EACH + 100; pid++)
			left += kill(pid, 0) == 0;
		if (left <= OTHERS)
			break;
		clock_sleep_ms(20);
	}
	note(left <= OTHERS ? "clean" : "zombies");
	return left <= OTHERS ? 0 : error_say(e, EBUSY, "%d processes are left", left);
}

// Asks PID 1 through its socket, whose path is fixed: so in a mount namespace with the test's /run.
static int step_ask(struct guest *g, struct error *e)
{
	cleanup_buf struct buf answer = BUF_INIT;
	int r = control_ask("status long", &answer, e);

	(void)g;
	note(r == 0 && strncmp(buf_str(&answer), "running", 7) == 0 ? "asked" : "no-answer");
	buf_clear(&answer);
	note(control_ask("dance", &answer, e) < 0 ? "refused" : "danced");
	return 0;
}

static int step_plan(struct guest *g, struct error *e)
{
	static const char *const requests[] = { "reboot 1", "cancel", "cancel", "poweroff 2" };
	static const char *const answers[] = { "ok", "ok", "nothing planned", "ok" };

	(void)g;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		cleanup_buf struct buf answer = BUF_INIT;
		int r = control_ask(requests[i], &answer, e);

		if (r < 0 || strcmp(buf_str(&answer), answers[i]) != 0)
			return r < 0 ? r : error_say(e, EPROTO, "%s: %s", requests[i], buf_str(&answer));
	}
	note("planned");
	clock_sleep_ms(1500); // past the reboot that was forgotten, before the power off
	note("not-yet");
	return 0;
}

static int prepare_first_stopped(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "trap 'printf \"first-stopped \" >>$1; exit' TERM; while :; do sleep 0.05; done");
}

static int prepare_last_stopped(struct guest *g, struct launch *launch, struct error *e)
{
	(void)g;
	(void)e;
	return shell(launch, "trap 'printf \"last-stopped \" >>$1; exit' TERM; while :; do sleep 0.05; done");
}

static const struct service_row first_row = { .name = "front", .prepare = prepare_first_stopped, .after = "first" };
static const struct service_row last_row = {
	.name = "long", .prepare = prepare_last_stopped, .after = "first", .stop_order = 2
};
static const struct service_row rescue_row = { .name = "rescue", .prepare = prepare_absent };

static const struct step whole_steps[] = {
	{ "first", step_first, NULL, STEP_INLINE | STEP_REQUIRED, 0 },
	{ "orphans", step_orphans, "front long", 0, 60000 },
	{ "count", step_count, "orphans", 0, 60000 },
	{ "ask", step_ask, "count", 0, 60000 },
	{ "plan", step_plan, "ask", 0, 60000 },
};

static const struct service_row *const whole_services[] = { &first_row, &last_row };

static void write_map(const char *path, unsigned int id)
{
	cleanup_free char *text = xasprintf("0 %u 1", id);

	if (file_write_existing(path, text, &err) < 0)
		_exit(90);
}

// In a new user, mount and pid namespace: init's end ends the namespace, and nothing of the machine around can be harmed.
static void enter_namespaces(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	cleanup_free char *run = guest_path(&guest, "/run");

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
		_exit(91);
	(void)!file_write_existing("/proc/self/setgroups", "deny", NULL);
	write_map("/proc/self/uid_map", uid);
	write_map("/proc/self/gid_map", gid);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(run, "/run", NULL, MS_BIND, NULL) < 0)
		_exit(92);
}

static void run_as_first_process(const struct boot *boot)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		init_run(&guest, boot);
		_exit(93);
	}
	waitpid(pid, &status, 0);
	// The kernel ends a namespace's first process with SIGINT for a power off, with SIGHUP for a reboot.
	_exit(WIFSIGNALED(status) ? WTERMSIG(status) : 94);
}

static void pid_1_boots_reaps_answers_and_ends_in_order(void **state)
{
	const struct boot boot = { .steps = whole_steps,
				   .step_count = ARRAY_SIZE(whole_steps),
				   .services = whole_services,
				   .service_count = ARRAY_SIZE(whole_services),
				   .rescue = &rescue_row,
				   .network = &rescue_row };
	int64_t start = clock_ms();
	int status;

	(void)state;
	pid_t pid = fork();

	if (pid == 0) {
		enter_namespaces();
		run_as_first_process(&boot);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 91) {
		print_message("namespaces cannot be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), SIGINT);
	assert_true(clock_ms() - start < 60000);
	cleanup_free char *text = notes();

	assert_string_equal(text, "first orphans clean asked refused planned not-yet first-stopped last-stopped ");
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_guest, remove_root)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_root(steps_run_after_what_they_need),
		with_root(steps_that_do_not_need_each_other_run_at_once),
		with_root(the_boot_goes_on_after_a_failed_a_crashed_and_a_hanging_step),
		with_root(a_slow_machine_has_more_time),
		with_root(a_step_of_templates_is_over_at_once_in_any_other_machine),
		with_root(a_failed_required_step_ends_the_boot),
		with_root(tables_that_cannot_work_are_found),
		with_root(a_service_that_keeps_ending_is_started_with_growing_pauses),
		with_root(a_service_that_ignores_its_signal_is_killed),
		with_root(a_service_is_restarted_and_stopped_on_demand),
		with_root(a_service_without_anything_to_serve_is_not_tried_again),
		with_root(a_service_that_may_end_is_started_again_only_after_a_failure),
		with_root(pid_1_boots_reaps_answers_and_ends_in_order),
	};

	return cmocka_run_group_tests_name("guest boot", tests, NULL, NULL);
}
