// SPDX-License-Identifier: Apache-2.0
// GRUB's core for UEFI, with the modules that our boot menu uses.
//
// Debian's ready-made images have every module in them, 2.3 to 2.7 MB; this has 0.7. They look for any medium that has the
// file /.disk/info, which an installer's stick has, too. Ours looks for the one file system that was made when it was: GRUB's
// identifier of an ISO is its modification date.

#include "image/grub.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FOLDER "/usr/lib/grub/x86_64-efi/"

// Disks, the ISO's file system, the kernel, a menu on screen and serial line.
static const char *const modules[] = { "part_msdos", "part_gpt", "iso9660", "search_fs_uuid", "configfile", "normal",
				       "linux",      "efi_gop",  "serial",  "terminal",       "echo",       "test",
				       "sleep",      "minicmd",  "reboot",  "halt",           "ls",         "cat",
				       NULL };

// The screens of firmware before UEFI 2, which GRUB 2.14 does without.
static const char old_screens[] = "efi_uga";

static bool is_file_of_core(const struct deb_entry *entry)
{
	const char *end = strrchr(entry->path, '.');

	return entry->blob && strncmp(entry->path, FOLDER, strlen(FOLDER)) == 0 && end &&
	       (strcmp(end, ".mod") == 0 || strcmp(end, ".lst") == 0 || strcmp(end, ".img") == 0);
}

static int unpack(const struct package *p, const char *folder, struct error *err)
{
	int r = file_mkdirs(folder, 0755, err);

	for (size_t i = 0; r == 0 && i < p->deb.count; i++) {
		const struct deb_entry *entry = &p->deb.entries[i];
		cleanup_free char *path = NULL;

		if (!is_file_of_core(entry))
			continue;
		path = path_join(folder, entry->path + strlen(FOLDER));
		r = file_replace(path, entry->blob->data, entry->size, 0644, err);
	}
	return r;
}

// What the core does first. Its command is all that the module search_fs_uuid has; `search` would be another module.
static int write_start(const char *path, int64_t epoch, struct error *err)
{
	time_t time = (time_t)epoch;
	cleanup_free char *text = NULL;
	char id[32];
	struct tm tm;

	gmtime_r(&time, &tm);
	strftime(id, sizeof(id), "%Y-%m-%d-%H-%M-%S-00", &tm);
	text = xasprintf("search.fs_uuid %s root\n"
			 "set prefix=($root)/boot/grub\n"
			 "configfile $prefix/grub.cfg\n",
			 id);
	return file_replace_text(path, text, 0644, err);
}

int grub_make(const struct package *grub, const char *work, int64_t epoch, const char *output, struct error *err)
{
	cleanup_free char *folder = path_join(work, "grub"), *start = path_join(work, "grub-start.cfg");
	cleanup_strv struct strv argv = STRV_INIT;
	int r;

	r = unpack(grub, folder, err);
	if (r == 0)
		r = write_start(start, epoch, err);
	if (r < 0)
		return r;
	strv_push_all(&argv, (const char *const[]){ "grub-mkimage", "-O", "x86_64-efi", "-d", folder, "-p",
						    "/boot/grub", "-c", start, "-o", output, NULL });
	strv_push_all(&argv, modules);
	cleanup_free char *old = xasprintf("%s/%s.mod", folder, old_screens);
	if (file_exists(old))
		strv_push(&argv, old_screens);
	return proc_check(&(struct proc_spec){ .argv = (const char *const *)strv_argv(&argv), .die_with_parent = true },
			  err);
}
