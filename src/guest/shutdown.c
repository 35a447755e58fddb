// SPDX-License-Identifier: Apache-2.0
// The end of the system. Every part is bounded: a dead disk must not keep a machine from going off.
#include "shutdown.h"

#include "bootlog.h"
#include "child.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "mountinfo.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/wait.h>

#define TERM_MS 1000 // for processes that are no service of ours
#define RELEASE_MS 10000 // for swap and file systems
#define ROUNDS 5

// Reaps until no child is left (all processes are our children in the end) or the time is over.
static bool reap_all(int64_t deadline)
{
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid > 0)
			continue;
		if (clock_ms() >= deadline)
			return false;
		clock_sleep_ms(10);
	}
}

static void end_processes(void)
{
	kill(-1, SIGTERM);
	kill(-1, SIGHUP); // shells ignore SIGTERM
	if (reap_all(clock_ms() + TERM_MS))
		return;
	kill(-1, SIGKILL);
	if (!reap_all(clock_ms() + TERM_MS))
		log_warn("some processes do not end");
}

static bool is_kept(const char *path)
{
	static const char *const kept[] = { "/proc", "/sys", "/dev", "/run" };

	if (strcmp(path, "/") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (strcmp(path, kept[i]) == 0)
			return true;
	return false;
}

void shutdown_plan(const char *mountinfo, struct strv *ret)
{
	cleanup_strv struct strv lines = STRV_INIT;

	strv_split(&lines, mountinfo, "\n");
	for (size_t i = lines.count; i > 0; i--) {
		struct mountinfo mount;

		if (mountinfo_split(lines.items[i - 1], &mount) && !is_kept(mount.place))
			strv_push(ret, mount.place);
	}
}

static size_t unmount_round(bool last)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv plan = STRV_INIT;
	struct error err = ERROR_INIT;
	size_t left = 0;

	if (file_read(MOUNTINFO_FILE, MOUNTINFO_MAX, &text, &err) < 0) {
		log_error("%s", err.msg);
		return 0;
	}
	shutdown_plan(buf_str(&text), &plan);
	for (size_t i = 0; i < plan.count; i++) {
		const char *path = plan.items[i];

		if (umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		left++;
		if (!last)
			continue;
		log_warn("%s stays mounted (%s); it is made read-only", path, strerror(errno));
		(void)!mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	}
	return left;
}

static void swap_off(void)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;

	if (file_read("/proc/swaps", 64 * 1024, &text, NULL) < 0)
		return;
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 1; i < lines.count; i++) {
		char *device = lines.items[i];

		device[strcspn(device, " \t")] = '\0';
		// Compressed memory goes with the power; emptying it would only take time.
		if (strncmp(device, "/dev/zram", 9) != 0 && swapoff(device) < 0)
			log_warn("swap off %s: %s", device, strerror(errno));
	}
}

void shutdown_release(void)
{
	sync();
	swap_off();
	for (int round = 1; round <= ROUNDS; round++) {
		if (unmount_round(round == ROUNDS) == 0)
			break;
		clock_sleep_ms(100);
	}
	sync();
}

static void release_bounded(void)
{
	pid_t pid = child_fork(NULL);

	if (pid == 0) {
		shutdown_release();
		_exit(0);
	}
	if (pid > 0 && !reap_all(clock_ms() + RELEASE_MS))
		log_error("a file system does not let go; going on without it");
}

void shutdown_finish(const struct guest *g, enum power_action action)
{
	static const int commands[] = { [POWER_NONE] = RB_POWER_OFF,
					[POWER_OFF] = RB_POWER_OFF,
					[POWER_REBOOT] = RB_AUTOBOOT,
					[POWER_HALT] = RB_HALT_SYSTEM };

	(void)g;
	end_processes();
	release_bounded();
	log_info("%s", power_name(action));
	reboot(commands[action]);
	log_error("the kernel refuses to %s: %s", power_name(action), strerror(errno));
}
