// SPDX-License-Identifier: Apache-2.0
// Unit tests of proc: running other programs.
#include "test.h"

#include "lib/clock.h"
#include "lib/number.h"
#include "lib/proc.h"
#include "lib/strv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

static struct error err;

static int clear(void **state)
{
	(void)state;
	error_clear(&err);
	return 0;
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void output_is_captured_and_trimmed(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	assert_ok(proc_output(ARGV("echo", "a  b; $HOME"), &out, &err), &err);
	assert_string_equal(buf_str(&out), "a  b; $HOME"); // no shell in between
}

static void a_missing_program_is_named(void **state)
{
	(void)state;
	assert_int_equal(proc_output(ARGV("no-such-program-b2d"), NULL, &err), -ENOENT);
	assert_contains(err.msg, "no-such-program-b2d is not installed");
	assert_int_equal(proc_output(ARGV("/no/such"), NULL, &err), -ENOENT);
	assert_contains(err.msg, "run /no/such: No such file");
}

static void an_exec_error_comes_back(void **state)
{
	struct proc_spec spec = { .argv = ARGV("true"), .cwd = "/no/such/folder" };

	(void)state;
	assert_int_equal(proc_run(&spec, &err), -ENOENT);
	assert_contains(err.msg, "run /");
}

static void an_exit_status_is_given_back_and_checked(void **state)
{
	struct proc_spec spec = { .argv = ARGV("sh", "-c", "echo first >&2; echo the reason >&2; exit 3") };

	(void)state;
	assert_int_equal(proc_run(&spec, &err), 3);
	assert_int_equal(proc_check(&spec, &err), -EPROTO);
	assert_string_equal(err.msg, "sh failed with exit status 3: the reason");
	spec.errs = PROC_CAPTURE; // without a buffer of the caller's
	assert_int_equal(proc_check(&spec, &err), -EPROTO);
	assert_string_equal(err.msg, "sh failed with exit status 3: the reason");
}

static void death_by_a_signal_is_not_success(void **state)
{
	struct proc_spec spec = { .argv = ARGV("sh", "-c", "kill -TERM $$") };

	(void)state;
	assert_int_equal(proc_run(&spec, &err), -ECHILD);
	assert_contains(err.msg, "sh was ended by signal 15");
}

static void input_and_output_larger_than_a_pipe_pass_both_ways(void **state)
{
	cleanup_buf struct buf in = BUF_INIT, out = BUF_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_printf(&in, "%d\n", i);
	struct proc_spec spec = { .argv = ARGV("cat"),
				  .in = PROC_DATA,
				  .out = PROC_CAPTURE,
				  .input = in.data,
				  .input_len = in.len,
				  .out_buf = &out };
	assert_ok(proc_check(&spec, &err), &err);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
}

static void a_program_that_does_not_read_its_input_does_not_end_us(void **state)
{
	cleanup_free char *zeros = xcalloc(1, 1 << 20);
	struct proc_spec spec = { .argv = ARGV("true"), .in = PROC_DATA, .input = zeros, .input_len = 1 << 20 };

	(void)state;
	assert_ok(proc_check(&spec, &err), &err);
}

static void captured_output_is_bounded(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct proc_spec spec = { .argv = ARGV("head", "-c", "1000000", "/dev/zero"),
				  .out = PROC_CAPTURE,
				  .out_buf = &out,
				  .capture_max = 1000 };

	(void)state;
	assert_ok(proc_check(&spec, &err), &err);
	assert_int_equal(out.len, 1000);
}

// Gone, or a zombie that nobody has reaped: no longer at work.
static bool has_ended(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/stat", pid);
	FILE *stat = fopen(path, "re");
	char line[256] = "";
	bool is_zombie = stat && fgets(line, sizeof(line), stat) && strstr(line, ") Z ");

	if (stat)
		fclose(stat);
	return !stat || is_zombie;
}

static bool ends_within_seconds(pid_t pid)
{
	for (int i = 0; i < 500 && !has_ended(pid); i++)
		clock_sleep_ms(10);
	return has_ended(pid);
}

static void a_deadline_kills_the_whole_group(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct proc_spec spec = { .argv = ARGV("sh", "-c", "sleep 60 & echo $!; wait"),
				  .own_group = true,
				  .timeout_ms = 200,
				  .out = PROC_CAPTURE,
				  .out_buf = &out };
	int64_t start = clock_ms();

	(void)state;
	assert_int_equal(proc_run(&spec, &err), -ETIMEDOUT);
	assert_true(clock_ms() - start < 5000);
	assert_contains(err.msg, "sh did not end within");
	int sleeper = 0;
	buf_trim_end(&out);
	assert_ok(number_parse_int(buf_str(&out), 2, INT_MAX, &sleeper, &err), &err);
	assert_true(ends_within_seconds(sleeper)); // no longer asleep for 60 s
}

// Reads the numbers that a program writes to a pipe, one a line.
static void read_pids(int fd, int *pids, int count)
{
	FILE *stream = fdopen(fd, "r");
	char line[32];

	assert_non_null(stream);
	for (int i = 0; i < count; i++) {
		assert_non_null(fgets(line, sizeof(line), stream));
		line[strcspn(line, "\n")] = '\0';
		assert_ok(number_parse_int(line, 2, INT_MAX, &pids[i], &err), &err);
	}
	fclose(stream);
}

// As make does it: children of children, which PR_SET_PDEATHSIG does not reach.
static void a_group_ends_with_us_however_we_end(void **state)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGINT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int ends[2], pids[2];
		pid_t parent;

		assert_int_equal(pipe(ends), 0);
		parent = fork();
		if (parent == 0) {
			struct proc_spec spec = { .argv = ARGV("sh", "-c",
							       "echo $$; sh -c 'echo $$; sleep 60; :' & wait"),
						  .out = PROC_FD,
						  .out_fd = ends[1],
						  .own_group = true,
						  .die_with_parent = true };

			_exit(proc_run(&spec, &err) == 0 ? 0 : 1);
		}
		close(ends[1]);
		read_pids(ends[0], pids, 2);
		assert_false(has_ended(pids[0]) || has_ended(pids[1]));
		kill(parent, signals[i]);
		assert_int_equal(proc_wait(parent, "the parent", 5000, &err), -ECHILD);
		error_clear(&err);
		assert_true(ends_within_seconds(pids[0]));
		assert_true(ends_within_seconds(pids[1]));
	}
}

// Whether a process, by what /proc/PID/stat has after its name ("S", its parent, its group), is of a group and no zombie.
static bool is_of_group(const char *stat, pid_t group)
{
	cleanup_strv struct strv words = STRV_INIT;
	int its;

	strv_split(&words, stat, " ");
	return words.count > 2 && strcmp(words.items[0], "Z") != 0 &&
	       number_parse_int(words.items[2], 0, INT_MAX, &its, NULL) == 0 && its == group;
}

static int count_group(pid_t group)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char line[512];
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		cleanup_free char *path = xasprintf("/proc/%s/stat", entry->d_name);
		FILE *stat = fopen(path, "re");
		const char *name_end = stat && fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;

		count += name_end && is_of_group(name_end + 1, group);
		if (stat)
			fclose(stat);
	}
	closedir(dir);
	return count;
}

// The guard of its group is in nobody's way, and does not stay.
static void a_group_that_would_end_with_us_is_otherwise_as_any(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct proc_spec spec = { .argv = ARGV("sh", "-c", "wait; cat; echo $$ >&2; exit 3"),
				  .in = PROC_DATA,
				  .input = "in",
				  .input_len = 2,
				  .out = PROC_CAPTURE,
				  .out_buf = &out,
				  .own_group = true,
				  .die_with_parent = true };
	int64_t start = clock_ms();
	pid_t group = 0;

	(void)state;
	assert_int_equal(proc_run(&spec, &err), 3);
	assert_string_equal(buf_str(&out), "in");
	spec.argv = ARGV("sh", "-c", "echo $$");
	spec.in = PROC_NULL;
	buf_clear(&out);
	assert_int_equal(proc_run(&spec, &err), 0);
	buf_trim_end(&out);
	assert_ok(number_parse_int(buf_str(&out), 2, INT_MAX, &group, &err), &err);
	for (int i = 0; i < 500 && count_group(group) > 0; i++)
		clock_sleep_ms(10);
	assert_int_equal(count_group(group), 0);
	spec.argv = ARGV("sh", "-c", "sleep 60 & wait");
	spec.timeout_ms = 200;
	assert_int_equal(proc_run(&spec, &err), -ETIMEDOUT);
	assert_true(clock_ms() - start < 20000);
	assert_true(proc_spawn(&spec, &err) < 0);
}

static void a_grandchild_that_keeps_the_pipe_is_not_waited_for(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct proc_spec spec = { .argv = ARGV("sh", "-c", "sleep 5 & echo done"),
				  .out = PROC_CAPTURE,
				  .out_buf = &out,
				  .timeout_ms = 4000 };
	int64_t start = clock_ms();

	(void)state;
	assert_ok(proc_check(&spec, &err), &err);
	assert_true(clock_ms() - start < 3000);
	assert_string_equal(buf_str(&out), "done\n");
}

static void a_child_starts_with_default_signals(void **state)
{
	cleanup_buf struct buf out = BUF_INIT;
	sigset_t set, before;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGINT, SIG_IGN);
	assert_ok(proc_output(ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"), &out, &err), &err);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_string_equal(buf_str(&out), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
}

static void spawn_and_wait_are_bounded(void **state)
{
	struct proc_spec spec = { .argv = ARGV("sleep", "30") };
	pid_t pid = proc_spawn(&spec, &err);

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(proc_wait(pid, "sleep", 50, &err), -ETIMEDOUT);
	kill(pid, SIGKILL);
	assert_int_equal(proc_wait(pid, "sleep", 5000, &err), -ECHILD);
	spec.argv = ARGV("no-such-program-b2d");
	assert_int_equal(proc_spawn(&spec, &err), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(output_is_captured_and_trimmed, clear),
		cmocka_unit_test_setup(a_missing_program_is_named, clear),
		cmocka_unit_test_setup(an_exec_error_comes_back, clear),
		cmocka_unit_test_setup(an_exit_status_is_given_back_and_checked, clear),
		cmocka_unit_test_setup(death_by_a_signal_is_not_success, clear),
		cmocka_unit_test_setup(input_and_output_larger_than_a_pipe_pass_both_ways, clear),
		cmocka_unit_test_setup(a_program_that_does_not_read_its_input_does_not_end_us, clear),
		cmocka_unit_test_setup(captured_output_is_bounded, clear),
		cmocka_unit_test_setup(a_deadline_kills_the_whole_group, clear),
		cmocka_unit_test_setup(a_group_ends_with_us_however_we_end, clear),
		cmocka_unit_test_setup(a_group_that_would_end_with_us_is_otherwise_as_any, clear),
		cmocka_unit_test_setup(a_grandchild_that_keeps_the_pipe_is_not_waited_for, clear),
		cmocka_unit_test_setup(a_child_starts_with_default_signals, clear),
		cmocka_unit_test_setup(spawn_and_wait_are_bounded, clear),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
