// SPDX-License-Identifier: Apache-2.0
// The end of the system, in a mount namespace: what is mounted is let go, however much it is.
#include "../unit/test.h"

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"
#include "shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MOUNTS 300
#define LIMIT_MS 9000 // PID 1 gives it 10 s

static struct error err;

static void no_sink(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

// In a user namespace of its own nothing of the machine around can be unmounted: those mounts are locked together.
static void enter_namespaces(void)
{
	unsigned int uid = getuid(), gid = getgid();
	cleanup_free char *uids = xasprintf("0 %u 1", uid), *gids = xasprintf("0 %u 1", gid);

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(91);
	(void)!file_write_existing("/proc/self/setgroups", "deny", NULL);
	if (file_write_existing("/proc/self/uid_map", uids, &err) < 0 ||
	    file_write_existing("/proc/self/gid_map", gids, &err) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(92);
}

// Every third one inside of the one before, the others with a blank in their names.
static void mount_many(const char *root)
{
	cleanup_free char *path = xstrdup(root);

	for (int i = 0; i < MOUNTS; i++) {
		cleanup_free char *next = xasprintf("%s/%s%d", i % 3 ? root : path, i % 3 ? "a blank " : "m", i);

		if (mkdir(next, 0755) < 0 || mount("none", next, "tmpfs", 0, NULL) < 0)
			_exit(93);
		if (i % 3 == 0 && strlen(next) < 200) {
			free(path);
			path = take_ptr(next);
		}
	}
}

static int count_mounts(const char *root)
{
	cleanup_buf struct buf text = BUF_INIT;
	int count = 0;

	if (file_read("/proc/self/mountinfo", 4 * 1024 * 1024, &text, &err) < 0)
		_exit(94);
	for (const char *p = buf_str(&text); (p = strstr(p, root)); p += strlen(root))
		count++;
	return count;
}

// Exit status 0: all are gone in time.
static _Noreturn void mount_and_release(const char *root, bool busy)
{
	cleanup_free char *held = xasprintf("%s/m0", root);
	int64_t start;

	enter_namespaces();
	mount_many(root);
	if (count_mounts(root) != MOUNTS)
		_exit(95);
	if (busy && open(held, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		_exit(96);
	start = clock_ms();
	shutdown_release();
	if (clock_ms() - start > LIMIT_MS)
		_exit(97);
	_exit(count_mounts(root) == (busy ? 1 : 0) ? 0 : 98);
}

static void check(bool busy)
{
	cleanup_free char *root = test_folder();
	int status;
	pid_t pid = fork();

	if (pid == 0)
		mount_and_release(root, busy);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_ok(file_remove_tree(root, &err), &err);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 91) {
		print_message("namespaces cannot be made here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void three_hundred_mounts_are_let_go(void **state)
{
	(void)state;
	check(false);
}

static void one_that_is_in_use_holds_up_only_itself(void **state)
{
	(void)state;
	check(true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_hundred_mounts_are_let_go),
		cmocka_unit_test(one_that_is_in_use_holds_up_only_itself),
	};

	log_set_sink(no_sink, NULL);
	return cmocka_run_group_tests_name("guest shutdown", tests, NULL, NULL);
}
