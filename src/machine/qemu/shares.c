// SPDX-License-Identifier: Apache-2.0
// Folders of the host that the machine sees; see internal.h.
//
// Theory of operation. A share is a folder and a name, which says where the guest mounts it (at "/" and the name). QEMU
// serves it over 9p as the user who runs it (security_model=none): what a container writes belongs to that user,
// whatever it believes itself to be, and nothing here needs root. The guest sees that user's files as docker's (../owner.h). A name too long for a mount tag goes into a file that
// QEMU hands to the guest (HACKING.md, "What the host hands to a machine").
//
// Or a virtiofsd serves them; see virtiofs.c.
//
// QEMU does not save a machine that has a 9p share mounted: what the guest holds open lives in QEMU alone; nor one with a device of
// virtiofs. So `save` has the guest unmount its shares first, and `start` has them mounted again. A container that was given a part of a
// share keeps it mounted; then the machine cannot be saved, and the error names the container.
#include "internal.h"

#include "../remote.h"
#include "lib/alloc.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_LEN_MAX = 4000, TAG_LEN_MAX = 31, REMOTE_TIMEOUT_MS = 60 * 1000 };

// --- the flag ---

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// What is left of a name when the slashes around it are gone.
static char *bare_name(const char *name)
{
	name += strspn(name, "/");
	size_t len = strlen(name);

	while (len && name[len - 1] == '/')
		len--;
	return xstrndup(name, len);
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool has_odd_component(const char *name)
{
	cleanup_strv struct strv parts = STRV_INIT;

	strv_split(&parts, name, "/");
	for (size_t i = 0; i < parts.count; i++)
		if (!path_is_component(parts.items[i]))
			return true;
	return strstr(name, "//") != NULL;
}

// Is `path` the folder `above`, or in it?
static bool is_within(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strncmp(path, above, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

// The guest refuses these, too: places that a share may neither take, nor lie in, nor be above.
static bool is_of_the_guest(const char *name)
{
	static const char *const kept[] = { "bin",  "boot",  "dev",   "etc", "home/docker", "init",    "layers",
					    "lib",  "lib64", "lower", "mnt", "proc",        "root",    "run",
					    "sbin", "sys",   "tmp",   "usr", "var",         "writable" };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (is_within(name, kept[i]) || is_within(kept[i], name))
			return true;
	return false;
}

static int check_name(const char *given, const char *name, struct error *err)
{
	if (!*name || is_of_the_guest(name))
		return error_say(err, EINVAL,
				 "--qemu-share %s would hide a part of the machine's system at /%s; give it another "
				 "name: DIR:NAME",
				 given, name);
	if (strlen(name) > NAME_LEN_MAX || has_control_character(name) || has_odd_component(name))
		return error_say(
			err, EINVAL,
			"--qemu-share %s: the name must be a path without \".\", \"..\" and control characters, "
			"of at most %d bytes",
			given, NAME_LEN_MAX);
	return 0;
}

// "DIR" or "DIR:NAME"; a colon may be in either, so what is a folder is the DIR.
static int split(const char *given, char **ret_dir, char **ret_name, struct error *err)
{
	if (is_folder(given)) {
		*ret_dir = xstrdup(given);
		*ret_name = NULL;
		return 0;
	}
	for (const char *colon = given; (colon = strchr(colon, ':')); colon++) {
		cleanup_free char *dir = xstrndup(given, (size_t)(colon - given));
		if (!is_folder(dir))
			continue;
		*ret_dir = take_ptr(dir);
		*ret_name = xstrdup(colon + 1);
		return 0;
	}
	return error_say(err, ENOENT, "--qemu-share %s: there is no such folder (DIR, DIR:NAME, or none)", given);
}

static int add_share(json_t *shares, const char *given, struct error *err)
{
	cleanup_free char *dir = NULL;
	cleanup_free char *name = NULL;
	size_t i;
	const json_t *other;

	int r = split(given, &dir, &name, err);
	if (r < 0)
		return r;
	cleanup_free char *path = realpath(dir, NULL);
	if (!path)
		return error_set(err, errno, "--qemu-share %s", given);
	cleanup_free char *bare = bare_name(name ? name : *dir == '/' ? dir : path);
	r = check_name(given, bare, err);
	if (r < 0)
		return r;
	json_array_foreach(shares, i, other) if (strcmp(json_str_at(other, "Name", ""), bare) == 0) return error_say(
		err, EEXIST, "--qemu-share %s: there is a share of that name already", given);
	if (json_array_size(shares) == SHARES_MAX)
		return error_say(err, E2BIG, "--qemu-share: more than %d shares", SHARES_MAX);
	json_t *share = json_pack("{s:s,s:s}", "Path", path, "Name", bare);
	if (!share)
		return error_say(err, EILSEQ, "--qemu-share: the folder's name is not UTF-8");
	json_array_append_new(shares, share);
	return 0;
}

int qemu_shares_parse(const struct strv *given, json_t **ret, struct error *err)
{
	cleanup_json json_t *shares = json_array();
	const char *home = getenv("HOME");
	struct error ignored = ERROR_INIT;
	int r = 0;

	// The default. A home folder that cannot be shared is no reason not to make the machine.
	if (!given->count && home && *home == '/' && add_share(shares, home, &ignored) < 0)
		log_debug("the home folder is not shared: %s", ignored.msg);
	if (given->count != 1 || strcmp(given->items[0], "none") != 0)
		for (size_t i = 0; i < given->count && r == 0; i++)
			r = add_share(shares, given->items[i], err);
	if (r == 0)
		*ret = take_ptr(shares);
	return r;
}

// --- the command line ---

static json_t *shares_of(const struct machine *m)
{
	return json_at(m->config, "Driver.Shares");
}

bool qemu_has_shares(const struct machine *m)
{
	return json_array_size(shares_of(m)) > 0;
}

static char *names_path(const struct machine *m)
{
	return machine_path(m, "shares");
}

static char *tag_of(const char *name, size_t i)
{
	return strlen(name) <= TAG_LEN_MAX ? xstrdup(name) : xasprintf("b2d.share.%zu", i);
}

size_t qemu_shares_count(const struct machine *m)
{
	size_t count = json_array_size(shares_of(m));

	return count < SHARES_MAX ? count : SHARES_MAX;
}

const char *qemu_share_path(const struct machine *m, size_t share)
{
	return json_str_at(json_array_get(shares_of(m), share), "Path", "");
}

bool qemu_share_is_there(const struct machine *m, size_t share)
{
	return is_folder(qemu_share_path(m, share));
}

char *qemu_share_tag(const struct machine *m, size_t share)
{
	return tag_of(json_str_at(json_array_get(shares_of(m), share), "Name", ""), share);
}

static void add_9p(size_t share, const char *path, const char *tag, struct strv *argv)
{
	cleanup_free char *path_value = qemu_escaped(path);
	cleanup_free char *tag_value = qemu_escaped(tag);

	strv_push(argv, "-fsdev");
	strv_pushf(argv, "local,id=share%zu,path=%s,security_model=none,multidevs=remap", share, path_value);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-9p-pci,fsdev=share%zu,mount_tag=%s", share, tag_value);
}

void qemu_shares_command(const struct machine *m, bool plugged, struct strv *argv)
{
	cleanup_free char *names = names_path(m);
	bool has_long = false;

	for (size_t i = 0; i < qemu_shares_count(m); i++) {
		cleanup_free char *tag = qemu_share_tag(m, i);
		if (!qemu_share_is_there(m, i))
			continue;
		has_long |= strcmp(tag, json_str_at(json_array_get(shares_of(m), i), "Name", "")) != 0;
		if (qemu_uses_virtiofs(m))
			qemu_virtiofs_command(i, tag, plugged, argv);
		else
			add_9p(i, qemu_share_path(m, i), tag, argv);
	}
	if (has_long) {
		cleanup_free char *file = qemu_escaped(names);
		strv_push(argv, "-fw_cfg");
		strv_pushf(argv, "name=" CONTRACT_SHARES ",file=%s", file);
	}
}

int qemu_shares_prepare(const struct machine *m, struct error *err)
{
	cleanup_free char *names = names_path(m);
	cleanup_buf struct buf text = BUF_INIT;
	size_t i;
	const json_t *share;

	json_array_foreach(shares_of(m), i, share)
	{
		const char *name = json_str_at(share, "Name", "");
		cleanup_free char *tag = tag_of(name, i);
		if (!is_folder(json_str_at(share, "Path", "")))
			log_warn("machine \"%s\" goes without its share %s: that is no folder now", m->name,
				 json_str_at(share, "Path", ""));
		if (strcmp(tag, name) != 0)
			buf_printf(&text, "%s %s\n", tag, name);
	}
	return text.len ? file_replace(names, text.data, text.len, 0600, err) : file_unlink(names, err);
}

// --- before and after the machine is saved ---

// Containers that hold a part of a share end it, as do processes; else all are unmounted, and how to mount them again
// is kept. /proc/mounts has the form of fstab.
static const char RELEASE[] =
	"kept=/run/boot2docker/shares.saved\n"
	"own=$(readlink /proc/1/ns/mnt)\n"
	"busy=$(ls -l /proc/[0-9]*/ns/mnt 2>/dev/null | grep -v -F \"$own\" |\n"
	"	sed -n 's|.* \\(/proc/[0-9]*\\)/ns/mnt -> .*|\\1|p' | while read -r process; do\n"
	"		grep -q -s -E ' - (9p|virtiofs) ' \"$process/mountinfo\" &&\n"
	"			sed -n 's|.*docker[-/]\\([0-9a-f]\\{12\\}\\).*|\\1|p' \"$process/cgroup\"\n"
	"	done | sort -u | tr '\\n' ' ')\n"
	"if [ -n \"$busy\" ]; then echo \"used by container ${busy% }\" >&2; exit 3; fi\n"
	"grep -E '^[^ ]+ [^ ]+ (9p|virtiofs) ' /proc/mounts >\"$kept\" || exit 0\n"
	"umount -a -t 9p,virtiofs && exit 0\n"
	"mount -a -T \"$kept\"\n"
	"echo 'used by a process in the machine' >&2\n"
	"exit 3\n";
// The devices of virtiofs were plugged in just now: the kernel takes a moment to find them.
static const char RESTORE[] = "kept=/run/boot2docker/shares.saved\n"
			      "if [ ! -s \"$kept\" ]; then exit 0; fi\n"
			      "wanted=$(sed -n 's|^\\([^ ]*\\) [^ ]* virtiofs .*|\\1|p' \"$kept\" | sort -u | wc -l)\n"
			      "for i in $(seq 100); do\n"
			      "	[ \"$(ls /sys/fs/virtiofs 2>/dev/null | wc -l)\" -lt \"$wanted\" ] || break\n"
			      "	sleep 0.1\n"
			      "done\n"
			      "mount -a -T \"$kept\" && rm \"$kept\"\n";

static char *marker_path(const struct machine *m)
{
	return machine_path(m, "shares.released");
}

static int run_as_root(const struct machine *m, const char *script, struct error *err)
{
	return remote_run(m,
			  &(struct remote_run){ .command = "sudo sh -s",
						.input = script,
						.input_len = strlen(script),
						.timeout_ms = REMOTE_TIMEOUT_MS },
			  err);
}

int qemu_shares_release(const struct machine *m, struct error *err)
{
	cleanup_free char *marker = marker_path(m);

	if (!qemu_has_shares(m))
		return 0;
	int r = file_replace(marker, "", 0, 0600, err);
	if (r < 0)
		return r;
	r = run_as_root(m, RELEASE, err);
	if (r < 0) {
		qemu_shares_forget(m);
		return error_say(err, EBUSY,
				 "machine \"%s\" cannot be saved while a shared folder is in use: %.500s; end what "
				 "uses it, or stop the machine instead",
				 m->name, err->msg);
	}
	return qemu_virtiofs_unplug(m, err);
}

int qemu_shares_restore(const struct machine *m, struct error *err)
{
	cleanup_free char *marker = marker_path(m);

	if (!file_exists(marker))
		return 0;
	int r = qemu_virtiofs_plug(m, err);
	if (r == 0)
		r = run_as_root(m, RESTORE, err);
	if (r < 0)
		return error_wrap(err, "mounting the shared folders again");
	qemu_shares_forget(m);
	return 0;
}

void qemu_shares_forget(const struct machine *m)
{
	cleanup_free char *marker = marker_path(m);
	struct error ignored = ERROR_INIT;

	if (file_unlink(marker, &ignored) < 0)
		log_debug("%s", ignored.msg);
}
