// SPDX-License-Identifier: Apache-2.0
// Extensions.
//
// Theory of operation
//
// Each extension has a folder below /run/boot2docker/extensions: an image is mounted there, an archive unpacked into a tmpfs.
// Then one overlay is mounted over /usr: the extensions' usr folders, beneath them the /usr that is there (itself part of the
// overlay that is the root), above them memory, so that /usr stays writable. Programs that run already keep their files. At the
// end the overlay goes first, then the images, then the data disk that they lie on: the reverse order of mounting.
#include "extensions.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "loop_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FOLDER GUEST_DATA "/extensions"
#define PLACES GUEST_RUN "/extensions"
#define UNPACK_MS 60000

static int mount_image(const char *image, const char *type, const char *place, struct error *err)
{
	cleanup_free char *device = NULL;
	cleanup_close int loop = -1;
	int r = loop_device_attach(image, &device, &loop, err);

	if (r < 0)
		return r;
	if (mount(device, place, type, MS_RDONLY | MS_NODEV, NULL) < 0)
		return error_set(err, errno, "mount it as %s", type);
	return 0;
}

static int mount_squashfs(const char *image, const char *place, struct error *err)
{
	return mount_image(image, "squashfs", place, err);
}

static int mount_erofs(const char *image, const char *place, struct error *err)
{
	return mount_image(image, "erofs", place, err);
}

// busybox's tar sees by itself how an archive is compressed, and makes nothing outside the folder.
static int unpack(const char *archive, const char *place, struct error *err)
{
	const char *const argv[] = { "tar", "-xf", archive, "-C", place, NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = UNPACK_MS };
	int r;

	if (mount("tmpfs", place, "tmpfs", MS_NODEV, "mode=0755,size=50%") < 0)
		return error_set(err, errno, "mount memory at %s", place);
	r = proc_check(&spec, err);
	if (r == 0 && mount(NULL, place, NULL, MS_REMOUNT | MS_RDONLY | MS_NODEV, NULL) < 0)
		r = error_set(err, errno, "make %s read-only", place);
	if (r < 0)
		umount2(place, MNT_DETACH);
	return r;
}

static const struct {
	const char *ending;
	int (*open)(const char *file, const char *place, struct error *err);
} kinds[] = {
	{ ".squashfs", mount_squashfs }, { ".erofs", mount_erofs }, { ".tar", unpack },
	{ ".tar.gz", unpack },           { ".tgz", unpack },        { ".tar.xz", unpack },
	{ ".tar.bz2", unpack },
};

int extensions_check(const char *folder, struct error *err)
{
	cleanup_free char *usr = path_join(folder, "usr");
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir)
		return error_set(err, errno, "open %s", folder);
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, "usr") != 0)
			r = error_say(err, EPERM, "it holds /%s, and may hold /usr only", entry->d_name);
	closedir(dir);
	if (r == 0 && (lstat(usr, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = error_say(err, ENOENT, "it holds no folder /usr");
	return r;
}

static int open_extension(const char *file, const char *place, struct error *err)
{
	int r = file_mkdirs(place, 0755, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(file), end = strlen(kinds[i].ending);

		if (len <= end || strcmp(file + len - end, kinds[i].ending) != 0)
			continue;
		r = kinds[i].open(file, place, err);
		if (r == 0) {
			r = extensions_check(place, err);
			if (r < 0)
				umount2(place, MNT_DETACH);
		}
		return r;
	}
	return r;
}

// The upper folder gets what is written below /usr from now on.
static int lay_over(const struct guest *g, const char *lower, struct error *err)
{
	cleanup_free char *usr = guest_path(g, "/usr");
	cleanup_free char *upper = guest_path(g, PLACES "/upper");
	cleanup_free char *work = guest_path(g, PLACES "/work");
	cleanup_free char *options = xasprintf("lowerdir=%s:%s,upperdir=%s,workdir=%s", lower, usr, upper, work);
	int r = file_mkdirs(upper, 0755, err);

	if (r == 0)
		r = file_mkdirs(work, 0755, err);
	if (r == 0 && mount("overlay", usr, "overlay", 0, options) < 0)
		r = error_set(err, errno, "lay the extensions over %s", usr);
	return r;
}

int extensions_lay(struct guest *g, struct error *err)
{
	static const char *const endings[] = { ".squashfs", ".erofs",  ".tar",     ".tar.gz",
					       ".tgz",      ".tar.xz", ".tar.bz2", NULL };
	cleanup_strv struct strv files = STRV_INIT;
	cleanup_buf struct buf lower = BUF_INIT;

	guest_files(g, FOLDER, endings, &files);
	for (size_t i = 0; i < files.count; i++) {
		// By number: a name may hold what means something in the options of an overlay.
		cleanup_free char *place = xasprintf("%s" PLACES "/%zu", g->root, i);
		const char *name = path_base(files.items[i]);
		struct error one = ERROR_INIT;

		if (open_extension(files.items[i], place, &one) < 0) {
			log_error("extension %s is left out: %s", name, one.msg);
			continue;
		}
		buf_printf(&lower, "%s%s/usr", lower.len ? ":" : "", place);
		log_info("extension %s", name);
	}
	return lower.len ? lay_over(g, buf_str(&lower), err) : 0;
}
