// SPDX-License-Identifier: Apache-2.0
// Folders that the host shares.
//
// Theory of operation
//
// A share is a device whose tag is its name: virtio's 9p and virtiofs drivers list the tags in sysfs. The name is the host's,
// but it may come from anybody who talked somebody into sharing a folder: it decides where in our file system something is
// mounted, so what would hide a part of the system is refused, and the way to the place is walked without following symbolic
// links, of which a share that is mounted already may be full. Names that are too long for a tag come in a file of the
// firmware's (HACKING.md, "What the host hands to a machine"). VirtualBox tells the names of its shares when it is asked.
#include "shares.h"

#include "lib/alloc.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#define NAMES_FILE "/sys/firmware/qemu_fw_cfg/by_name/" CONTRACT_SHARES "/raw"
#define NAMES_MAX (64 * 4096)
// msize: the largest message that the kernel's virtio transport takes. mmap: what a host changes is seen when a file is opened,
// and programs may map files for writing, as databases do.
#define OPTIONS_9P "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=any,dfltuid=1000,dfltgid=50"
#define OPTIONS_VBOXSF "nls=utf8,uid=1000,gid=50"

// Places that a share may neither take, nor lie in, nor be above.
static const char *const kept[] = {
	"/bin", "/boot", "/dev",  "/etc", "/home/docker", "/init", "/layers", "/lib", "/lib64", "/lower",
	"/mnt", "/proc", "/root", "/run", "/sbin",        "/sys",  "/tmp",    "/usr", "/var",   "/writable",
};

// Whether `path` is `above`, or lies in it.
static bool is_within(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strncmp(path, above, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int check_target(const char *target, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (is_within(target, kept[i]) || is_within(kept[i], target))
			return error_say(err, EPERM, "it would hide the system's %s", kept[i]);
	return 0;
}

// Each component on its own: "//" and "." are dropped.
static int add_components(char *name, struct buf *target, struct error *err)
{
	cleanup_strv struct strv parts = STRV_INIT;

	strv_split(&parts, name, "/");
	for (size_t i = 0; i < parts.count; i++) {
		if (strcmp(parts.items[i], ".") == 0)
			continue;
		if (!path_is_component(parts.items[i]) || strlen(parts.items[i]) > 255)
			return error_say(err, EPERM, "its name does not lead to a folder below /");
		buf_printf(target, "/%s", parts.items[i]);
	}
	return target->len > 0 ? 0 : error_say(err, EPERM, "its name is no folder's");
}

int share_target(const char *name, char **ret, struct error *err)
{
	cleanup_free char *copy = xstrdup(name);
	cleanup_buf struct buf target = BUF_INIT;
	size_t start = strspn(copy, "/");
	int r;

	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return error_say(err, EPERM, "its name has control characters");
		if (*p == '\\')
			*p = '/';
	}
	if (isalpha((unsigned char)copy[start]) && copy[start + 1] == ':') { // a drive of Windows
		copy[start] = (char)tolower((unsigned char)copy[start]);
		copy[start + 1] = '/';
	}
	r = add_components(copy, &target, err);
	if (r == 0)
		r = check_target(buf_str(&target), err);
	if (r == 0)
		*ret = buf_steal(&target);
	return r;
}

// A name for the log: foreign bytes do not get to write lines of their own.
static char *printable(const char *name)
{
	char *text = xstrdup(name);

	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return text;
}

static void share_done(struct share *s)
{
	free(s->tag);
	free(s->name);
	free(s->target);
}

void shares_done(struct shares *s)
{
	for (size_t i = 0; i < s->count; i++)
		share_done(&s->list[i]);
	free(s->list);
	*s = (struct shares){ .list = NULL };
}

// The name that belongs to a tag: by the firmware's file, else the tag itself.
static char *name_of(const char *names, const char *tag)
{
	size_t len = strlen(tag);

	for (const char *line = names; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, tag, len) == 0 && line[len] == ' ')
			return xasprintf("%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
	return xstrdup(tag);
}

static void add_share(struct shares *s, const char *names, const char *type, const char *tag)
{
	struct share share = { .tag = xstrdup(tag), .name = name_of(names, tag), .type = type };
	struct error err = ERROR_INIT;

	if (share_target(share.name, &share.target, &err) < 0) {
		cleanup_free char *name = printable(share.name);

		log_warn("share %s is not mounted: %s", name, err.msg);
		share_done(&share);
		return;
	}
	s->list = xreallocarray(s->list, s->count + 1, sizeof(*s->list));
	s->list[s->count++] = share;
}

// Reads the attribute `name` of each device below a folder of sysfs; the folder is not there when there is no such device.
static void add_tags(const struct guest *g, struct shares *s, const char *names, const char *type, const char *sysfs,
		     const char *attribute)
{
	cleanup_free char *folder = guest_path(g, sysfs);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = xasprintf("%s/%s/%s", folder, entry->d_name, attribute);
		cleanup_buf struct buf tag = BUF_INIT;

		if (entry->d_name[0] == '.' || file_read(path, 4096, &tag, NULL) < 0)
			continue;
		if (tag.len > 0 && tag.data[tag.len - 1] == '\n')
			tag.data[tag.len - 1] = '\0';
		if (s->count < SHARES_MAX && *buf_str(&tag))
			add_share(s, names, type, buf_str(&tag));
		else if (s->count == SHARES_MAX)
			log_warn("more than %d shares: %s is not mounted", SHARES_MAX, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

// Those that are to be mounted by themselves. Besides, people expect the users' folder of their host, by one of these names.
static void add_virtualbox(struct shares *s, const struct vbox *v)
{
	static const char *const users[] = { "Users", "/Users", "c/Users", "/c/Users", "c:/Users" };
	cleanup_strv struct strv all = STRV_INIT, names = STRV_INIT;
	struct error err = ERROR_INIT;
	size_t i = 0;

	if (vbox_share_names(v, true, &names, &err) < 0 || vbox_share_names(v, false, &all, &err) < 0) {
		log_warn("VirtualBox's shares are not mounted: %s", err.msg);
		return;
	}
	while (i < ARRAY_SIZE(users) && !strv_contains(&all, users[i]))
		i++;
	if (i < ARRAY_SIZE(users) && !strv_contains(&names, users[i]))
		strv_push(&names, users[i]);
	for (i = 0; i < names.count; i++)
		add_share(s, "", "vboxsf", names.items[i]);
}

// `c/Users` comes before `/c/Users`, and that before `c:/Users`.
static int rank(const char *name)
{
	return strchr(name, ':') ? 2 : name[0] == '/';
}

static int by_place(const void *a, const void *b)
{
	const struct share *left = a, *right = b;
	int order = strcmp(left->target, right->target);

	return order ? order : rank(left->name) - rank(right->name);
}

static void drop_doubles(struct shares *s)
{
	size_t kept_count = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct share *share = &s->list[i];

		if (kept_count > 0 && strcmp(s->list[kept_count - 1].target, share->target) == 0) {
			log_warn("share %s is not mounted: %s is at %s already", share->name,
				 s->list[kept_count - 1].name, share->target);
			share_done(share);
		} else {
			s->list[kept_count++] = *share;
		}
	}
	s->count = kept_count;
}

void shares_plan(const struct guest *g, const struct vbox *v, struct shares *ret)
{
	cleanup_free char *path = guest_path(g, NAMES_FILE);
	cleanup_buf struct buf names = BUF_INIT;

	*ret = (struct shares){ .list = NULL };
	(void)!file_read(path, NAMES_MAX, &names, NULL); // most machines have none
	add_tags(g, ret, buf_str(&names), "9p", "/sys/bus/virtio/drivers/9pnet_virtio", "mount_tag");
	add_tags(g, ret, buf_str(&names), "virtiofs", "/sys/fs/virtiofs", "tag");
	if (v)
		add_virtualbox(ret, v);
	if (ret->count > 1)
		qsort(ret->list, ret->count, sizeof(*ret->list), by_place);
	drop_doubles(ret);
}

static const char *options_of(const struct share *s)
{
	return strcmp(s->type, "9p") == 0 ? OPTIONS_9P : strcmp(s->type, "vboxsf") == 0 ? OPTIONS_VBOXSF : NULL;
}

static int mount_share(const struct guest *g, const struct share *s, struct error *err)
{
	cleanup_free char *root = guest_path(g, "/");
	cleanup_close int fd = file_open_beneath(root, s->target, 0755, (uid_t)-1, (gid_t)-1, err);
	cleanup_free char *place = NULL;

	if (fd < 0)
		return fd;
	place = xasprintf("/proc/self/fd/%d", fd);
	if (mount(s->tag, place, s->type, MS_NOSUID | MS_NODEV, options_of(s)) < 0)
		return error_set(err, errno, "mount it at %s", s->target);
	log_info("share %s (%s) is at %s", s->name, s->type, s->target);
	return 0;
}

int shares_mount(struct guest *g, struct error *err)
{
	struct vbox vbox = { .fd = -1 };
	bool is_virtualbox = vbox_open(g, &vbox, NULL) == 0;
	struct shares shares;
	size_t failed = 0;

	if (g->options.template)
		return 0; // a machine with a share that is mounted cannot be saved
	shares_plan(g, is_virtualbox ? &vbox : NULL, &shares);
	if (is_virtualbox)
		vbox_close(&vbox);
	for (size_t i = 0; i < shares.count; i++) {
		struct error one = ERROR_INIT;

		if (mount_share(g, &shares.list[i], &one) == 0)
			continue;
		log_error("share %s: %s", shares.list[i].name, one.msg);
		failed++;
	}
	shares_done(&shares);
	return failed ? error_say(err, EIO, "%zu shares are not mounted, see above", failed) : 0;
}
