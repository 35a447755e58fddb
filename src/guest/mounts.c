// SPDX-License-Identifier: Apache-2.0
// The file systems that every boot has.
#include "mounts.h"

#include "bootlog.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/strv.h"
#include "lib/version.h"
#include "timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NO_CODE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct mount_row {
	const char *type, *target;
	unsigned long flags;
	const char *options;
	mode_t mode;
};

static const struct mount_row kernel_mounts[] = {
	{ "proc", "/proc", NO_CODE, NULL, 0555 },
	{ "sysfs", "/sys", NO_CODE, NULL, 0555 },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=0755", 0755 },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", 0755 },
};

static const struct mount_row rest_mounts[] = {
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666", 0755 },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", 0755 },
	{ "cgroup2", "/sys/fs/cgroup", NO_CODE, "nsdelegate,memory_recursiveprot", 0555 },
};

static int mount_rows(const struct guest *g, const struct mount_row *rows, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct mount_row *m = &rows[i];
		cleanup_free char *target = guest_path(g, m->target);

		mkdir(target, m->mode);
		// EBUSY: the kernel has mounted its devtmpfs itself.
		if (mount(m->type, target, m->type, m->flags, m->options) < 0 && errno != EBUSY)
			return error_set(err, errno, "mount %s at %s", m->type, target);
	}
	return 0;
}

int mounts_kernel(struct guest *g, struct error *err)
{
	int64_t start = bootlog_now_us();
	int r = mount_rows(g, kernel_mounts, ARRAY_SIZE(kernel_mounts), err);
	cleanup_free char *run = guest_path(g, GUEST_RUN);
	cleanup_free char *cmdline = NULL;

	if (r < 0)
		return r;
	// Ours are few lines at a time when something is wrong: no rate limit between us and the kernel's log.
	(void)!file_write_existing("/proc/sys/kernel/printk_devkmsg", "on", NULL);
	bootlog_open(g);
	cmdline = guest_read(g, "/proc/cmdline");
	options_parse(cmdline ? cmdline : "", &g->options);
	if (g->options.debug)
		bootlog_open(g);
	r = file_mkdirs(run, 0755, err);
	if (r < 0)
		return r;
	timeline_add(g, &(struct timeline_row){ .kind = TIMELINE_KERNEL, .name = "kernel", .end_us = start });
	log_info("PID 1 of version %s; the kernel took %.3f s", B2D_VERSION, (double)start / 1e6);
	return 0;
}

// With the first group that has a controller, and again without the last one, the kernel rewrites its own code (static keys:
// memcg_kmem_online_key, cpusets_enabled_key). QEMU 7.2's emulated processors can trip over code that another one is rewriting, and the
// kernel panics. So there is one group from before anything else runs to the end.
static void make_first_group(void)
{
	static const char path[] = "/sys/fs/cgroup/boot2docker";

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		log_warn("control group %s: %s", path, strerror(errno));
}

// Everything may be handed on: Docker gives each container a cgroup with all controllers.
static int delegate_controllers(struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_buf struct buf enable = BUF_INIT;
	int r = file_read("/sys/fs/cgroup/cgroup.controllers", 4096, &text, err);

	if (r < 0)
		return r;
	strv_split(&names, buf_str(&text), " \n");
	for (size_t i = 0; i < names.count; i++)
		buf_printf(&enable, "%s+%s", i ? " " : "", names.items[i]);
	r = file_write_existing("/sys/fs/cgroup/cgroup.subtree_control", buf_str(&enable), err);
	if (r == 0)
		make_first_group();
	return r;
}

static const struct {
	const char *target, *link;
} dev_links[] = {
	{ "/proc/self/fd", "/dev/fd" },       { "/proc/self/fd/0", "/dev/stdin" }, { "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" }, { "pts/ptmx", "/dev/ptmx" },
};

int mounts_rest(struct guest *g, struct error *err)
{
	int r;

	bootlog_attach_file(g);
	r = mount_rows(g, rest_mounts, ARRAY_SIZE(rest_mounts), err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++) {
		unlink(dev_links[i].link);
		if (symlink(dev_links[i].target, dev_links[i].link) < 0)
			log_warn("link %s: %s", dev_links[i].link, strerror(errno));
	}
	// Containers see the mounts that are made later (shares, a disk) when they ask for it.
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		log_warn("making the mounts shared: %s", strerror(errno));
	if (sethostname("boot2docker", strlen("boot2docker")) < 0)
		log_warn("sethostname: %s", strerror(errno));
	return delegate_controllers(err);
}
