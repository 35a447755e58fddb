// SPDX-License-Identifier: Apache-2.0
// GRUB's core for UEFI, and the modules that our boot menu uses.
//
// Debian's ready-made images have every module in them, 2.3 to 2.7 MB. Ours, which nothing packs on the medium, has what it takes
// to find the ISO and to unpack: 0.2 MB. The other modules are files of the ISO, packed by xz as grub-install --compress=xz would,
// and are loaded when a command needs them (command.lst). Theirs would look for any medium that has the file /.disk/info, which
// an installer's stick has, too. Ours looks for the one file system that was made when it was: GRUB's identifier of an ISO is its
// modification date.

#include "image/grub.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FOLDER "/usr/lib/grub/x86_64-efi/"
#define LIST_MAX (1 << 20) // bytes of a .lst file; the longest has 15 KB
#define MODULE_MAX (4 << 20)

// Disks, the ISO's file system, and what unpacks the other modules.
static const char *const core_modules[] = { "part_msdos", "part_gpt", "iso9660", "search_fs_uuid", "xzio", NULL };

// The screen, a menu on it and on the serial line, the kernel.
static const char *const menu_modules[] = { "efi_gop",  "normal", "linux", "configfile", "serial",
					    "terminal", "echo",   "test",  "sleep",      "minicmd",
					    "reboot",   "halt",   "ls",    "cat",        NULL };

// The screens of firmware before UEFI 2, which GRUB 2.14 does without.
static const char old_screens[] = "efi_uga";

struct grub {
	const struct grub_spec *spec;
	char *folder; // what the package has
	struct strv core, menu; // modules by name, with all that they need
};

static bool is_file_of_grub(const struct deb_entry *entry)
{
	const char *end = strrchr(entry->path, '.');

	return entry->blob && strncmp(entry->path, FOLDER, strlen(FOLDER)) == 0 && end &&
	       (strcmp(end, ".mod") == 0 || strcmp(end, ".lst") == 0 || strcmp(end, ".img") == 0);
}

static int unpack(const struct grub *g, struct error *err)
{
	const struct deb *deb = &g->spec->package->deb;
	int r = file_mkdirs(g->folder, 0755, err);

	for (size_t i = 0; r == 0 && i < deb->count; i++) {
		const struct deb_entry *entry = &deb->entries[i];
		cleanup_free char *path = NULL;

		if (!is_file_of_grub(entry))
			continue;
		path = path_join(g->folder, entry->path + strlen(FOLDER));
		r = file_replace(path, entry->blob->data, entry->size, 0644, err);
	}
	return r;
}

static int read_list(const struct grub *g, const char *name, struct strv *ret_lines, struct error *err)
{
	cleanup_free char *path = path_join(g->folder, name);
	cleanup_buf struct buf text = BUF_INIT;
	int r = file_read(path, LIST_MAX, &text, err);

	if (r == 0)
		strv_split(ret_lines, buf_str(&text), "\n");
	return r;
}

// The line of moddep.lst for a module: "name: what it needs", or NULL.
static const char *find_line(const struct strv *lines, const char *module)
{
	size_t len = strlen(module);

	for (size_t i = 0; i < lines->count; i++) {
		if (strncmp(lines->items[i], module, len) == 0 && lines->items[i][len] == ':')
			return lines->items[i] + len + 1;
	}
	return NULL;
}

static void push_new(struct strv *v, const char *s, const struct strv *except)
{
	if (!strv_contains(v, s) && !(except && strv_contains(except, s)))
		strv_push(v, s);
}

// Adds what the modules of `v` need, and what that needs, but for what `except` (NULL: nothing) has.
static int add_needs(struct strv *v, const struct strv *lines, const struct strv *except, struct error *err)
{
	for (size_t i = 0; i < v->count; i++) { // grows meanwhile
		const char *line = find_line(lines, v->items[i]);
		cleanup_strv struct strv needs = STRV_INIT;

		if (!line)
			return error_say(err, ENOENT, "GRUB's moddep.lst does not know the module %s", v->items[i]);
		strv_split(&needs, line, " ");
		for (size_t j = 0; j < needs.count; j++)
			push_new(v, needs.items[j], except);
	}
	return 0;
}

static int choose_modules(struct grub *g, struct error *err)
{
	cleanup_strv struct strv lines = STRV_INIT;
	int r = read_list(g, "moddep.lst", &lines, err);

	if (r < 0)
		return r;
	strv_push_all(&g->core, core_modules);
	strv_push_all(&g->menu, menu_modules);
	if (find_line(&lines, old_screens))
		strv_push(&g->menu, old_screens);
	r = add_needs(&g->core, &lines, NULL, err);
	return r < 0 ? r : add_needs(&g->menu, &lines, &g->core, err);
}

// What the core does first; then it loads the module normal, which reads $prefix/grub.cfg. The command search.fs_uuid is all that
// its module has; `search` would be another module. Screens are what Linux asks for, and no command leads to them.
static int write_start(const struct grub *g, const char *path, struct error *err)
{
	time_t time = (time_t)g->spec->epoch;
	cleanup_buf struct buf text = BUF_INIT;
	char id[32];
	struct tm tm;

	gmtime_r(&time, &tm);
	strftime(id, sizeof(id), "%Y-%m-%d-%H-%M-%S-00", &tm);
	buf_printf(&text, "search.fs_uuid %s root\nset prefix=($root)/" GRUB_FOLDER "\ninsmod efi_gop\n", id);
	if (strv_contains(&g->menu, old_screens))
		buf_printf(&text, "insmod %s\n", old_screens);
	return file_replace_text(path, buf_str(&text), 0644, err);
}

static int make_core(const struct grub *g, struct error *err)
{
	cleanup_free char *start = path_join(g->spec->work, "grub-start.cfg");
	cleanup_strv struct strv argv = STRV_INIT;
	int r = write_start(g, start, err);

	if (r < 0)
		return r;
	strv_push_all(&argv, (const char *const[]){ "grub-mkimage", "-O", "x86_64-efi", "-d", g->folder, "-p",
						    "/" GRUB_FOLDER, "-c", start, "-o", g->spec->core, NULL });
	strv_push_all(&argv, (const char *const *)strv_argv(&g->core));
	return proc_check(&(struct proc_spec){ .argv = (const char *const *)strv_argv(&argv), .die_with_parent = true },
			  err);
}

// GRUB's decoder knows no sums that come without a module, and has a window of 64 KiB.
static int pack_module(const struct grub *g, const char *module, struct error *err)
{
	cleanup_free char *from = xasprintf("%s/%s.mod", g->folder, module);
	cleanup_free char *to = xasprintf("%s/%s.mod", g->spec->modules, module);
	const char *const argv[] = {
		"xz", "--check=none", "--lzma2=preset=9e,dict=64KiB", "-c", "-T1", "--", from, NULL
	};
	cleanup_buf struct buf packed = BUF_INIT;
	int r = proc_check(&(struct proc_spec){ .argv = argv,
						.out = PROC_CAPTURE,
						.out_buf = &packed,
						.capture_max = MODULE_MAX,
						.die_with_parent = true },
			   err);

	return r < 0 ? r : file_replace(to, packed.data, packed.len, 0644, err);
}

// The lines "name: module" of a list whose module there is.
static int write_list(const struct grub *g, const char *name, struct error *err)
{
	cleanup_free char *to = path_join(g->spec->modules, name);
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	int r = read_list(g, name, &lines, err);

	for (size_t i = 0; r == 0 && i < lines.count; i++) {
		const char *module = strstr(lines.items[i], ": ");

		if (module && strv_contains(&g->menu, module + 2))
			buf_printf(&text, "%s\n", lines.items[i]);
	}
	return r < 0 ? r : file_replace(to, buf_str(&text), text.len, 0644, err);
}

static int pack_modules(const struct grub *g, struct error *err)
{
	int r = file_mkdirs(g->spec->modules, 0755, err);

	for (size_t i = 0; r == 0 && i < g->menu.count; i++)
		r = pack_module(g, g->menu.items[i], err);
	if (r == 0)
		r = write_list(g, "command.lst", err);
	return r < 0 ? r : write_list(g, "terminal.lst", err);
}

int grub_make(const struct grub_spec *spec, struct error *err)
{
	struct grub g = { .spec = spec, .folder = path_join(spec->work, "grub") };
	int r = unpack(&g, err);

	if (r == 0)
		r = choose_modules(&g, err);
	if (r == 0)
		r = make_core(&g, err);
	if (r == 0)
		r = pack_modules(&g, err);
	strv_done(&g.core);
	strv_done(&g.menu);
	free(g.folder);
	return r < 0 ? error_wrap(err, "making GRUB for UEFI") : 0;
}
