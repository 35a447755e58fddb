// SPDX-License-Identifier: Apache-2.0
// Makes the ISO: the boot loaders' files, a FAT image for UEFI, and xorriso.
//
// Theory of operation
// One image, four ways in. BIOS from CD: El Torito, isolinux.bin. BIOS from a disk: the first sector is isohdpfx.bin, which
// finds isolinux.bin in the image. UEFI from CD: a second El Torito entry, the FAT image. UEFI from a disk: the same FAT
// image, appended behind the ISO as partition 2 of type EF (xorriso lets the El Torito entry point there, so it is stored
// once). Its GRUB (grub.h) finds the ISO by its date and reads /boot/grub/grub.cfg there. The partition table is a plain MBR:
// partition 1 is the ISO, so its label and the kernel are found on a disk too. xorriso and mtools take every date and identifier
// from SOURCE_DATE_EPOCH.

#include "image/iso.h"

#include "image/grub.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (1 << 20)
#define ESP_SPARE (32 << 10) // for FAT's own tables
#define VOLUME_MAX 32 // ISO 9660

struct iso {
	const struct iso_spec *spec;
	char *tree; // folder whose content becomes the ISO's
	char *esp; // the FAT image
	struct strv env; // with SOURCE_DATE_EPOCH
};

// Files of packages that go into the ISO, or beside it.
static const struct loader_file {
	const char *package, *from, *to;
} loader_files[] = {
	{ "isolinux", "/usr/lib/ISOLINUX/isolinux.bin", "boot/isolinux/isolinux.bin" },
	{ "syslinux-common", "/usr/lib/syslinux/modules/bios/ldlinux.c32", "boot/isolinux/ldlinux.c32" },
	{ "isolinux", "/usr/lib/ISOLINUX/isohdpfx.bin", "../isohdpfx.bin" },
};

// Texts of distro/boot, filled in.
static const struct text_file {
	const char *from, *to;
} text_files[] = {
	{ "isolinux.cfg", "boot/isolinux/isolinux.cfg" },
	{ "grub.cfg", GRUB_FOLDER "/grub.cfg" },
};

static int write_below(const struct iso *iso, const char *name, const void *data, size_t len, struct error *err)
{
	cleanup_free char *path = path_join(iso->tree, name);
	cleanup_free char *dir = path_dir(path);
	int r = file_mkdirs(dir, 0755, err);

	return r < 0 ? r : file_replace(path, data, len, 0644, err);
}

static int find_package(const struct iso *iso, const char *name, const struct package **ret, struct error *err)
{
	*ret = packages_find(iso->spec->packages, name);
	return *ret ? 0 : error_say(err, ENOENT, "the profile's boot-packages must name %s", name);
}

static int add_loader(const struct iso *iso, const struct loader_file *f, struct error *err)
{
	const struct package *p;
	const struct deb_entry *entry;
	int r = find_package(iso, f->package, &p, err);

	if (r < 0)
		return r;
	entry = deb_find(&p->deb, f->from);
	if (!entry || !entry->blob)
		return error_say(err, ENOENT, "package %s (%s) has no %s", f->package, p->apt->version, f->from);
	return write_below(iso, f->to, entry->blob->data, entry->blob->size, err);
}

static int add_text(const struct iso *iso, const struct text_file *f, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/boot/%s", iso->spec->manifest->directory, f->from);
	cleanup_buf struct buf text = BUF_INIT, filled = BUF_INIT;
	int r = file_read(path, TEXT_MAX, &text, err);

	if (r < 0)
		return r;
	template_fill(buf_str(&text), iso->spec->values, &filled);
	return write_below(iso, f->to, buf_str(&filled), filled.len, err);
}

static int add_kernel(const struct iso *iso, const char *name, struct error *err)
{
	cleanup_free char *from = path_join(iso->spec->work, name);
	cleanup_free char *dir = path_join(iso->tree, "boot");
	cleanup_free char *to = path_join(dir, name);
	int r = file_mkdirs(dir, 0755, err);

	if (r < 0)
		return r;
	if (link(from, to) < 0) // the same bytes; a second copy would only take space
		return error_set(err, errno, "link %s to %s", from, to);
	return 0;
}

static int fill_tree(const struct iso *iso, struct error *err)
{
	int r = add_kernel(iso, "vmlinuz", err);

	if (r == 0)
		r = add_kernel(iso, "initrd.img", err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(loader_files); i++)
		r = add_loader(iso, &loader_files[i], err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(text_files); i++)
		r = add_text(iso, &text_files[i], err);
	return r;
}

static int run_tool(const struct iso *iso, const struct strv *argv, struct error *err)
{
	return proc_check(&(struct proc_spec){ .argv = (const char *const *)strv_argv(argv),
					       .env = (const char *const *)strv_argv(&iso->env),
					       .die_with_parent = true },
			  err);
}

static int run_words(const struct iso *iso, const char *const *words, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;

	strv_push_all(&argv, words);
	return run_tool(iso, &argv, err);
}

// The EFI system partition: a FAT image of a fixed serial number with EFI/BOOT/BOOTX64.EFI.
static int make_esp(const struct iso *iso, const char *loader, struct error *err)
{
	cleanup_buf struct buf data = BUF_INIT;
	cleanup_free char *sectors = NULL, *serial = NULL;
	int r = file_read(loader, 64 << 20, &data, err);

	if (r < 0)
		return r;
	// Whole tracks of 32 sectors, so that the image has no ragged end.
	sectors = xasprintf("%zu", ((data.len + ESP_SPARE) / (32 * 512) + 1) * 32);
	serial = xasprintf("%08x", (unsigned int)iso->spec->epoch);
	r = run_words(iso,
		      (const char *const[]){ "mformat", "-i", iso->esp, "-C", "-T", sectors, "-h", "2", "-s", "32",
					     "-N", serial, "-v", "B2D-EFI", "::", NULL },
		      err);
	if (r == 0)
		r = run_words(iso, (const char *const[]){ "mmd", "-i", iso->esp, "::EFI", "::EFI/BOOT", NULL }, err);
	if (r == 0)
		r = run_words(iso,
			      (const char *const[]){ "mcopy", "-i", iso->esp, loader, "::EFI/BOOT/BOOTX64.EFI", NULL },
			      err);
	return r < 0 ? error_wrap(err, "making the EFI partition") : 0;
}

// GRUB's core goes into the EFI system partition, its modules into the ISO.
static int add_grub(const struct iso *iso, struct error *err)
{
	cleanup_free char *modules = path_join(iso->tree, GRUB_FOLDER "/x86_64-efi");
	cleanup_free char *loader = path_join(iso->spec->work, "bootx64.efi");
	struct grub_spec spec = {
		.work = iso->spec->work, .epoch = iso->spec->epoch, .core = loader, .modules = modules
	};
	int r = find_package(iso, GRUB_PACKAGE, &spec.package, err);

	if (r == 0)
		r = grub_make(&spec, err);
	return r < 0 ? r : make_esp(iso, loader, err);
}

static int volume_name(const struct iso *iso, char **ret, struct error *err)
{
	const char *given = iso->spec->manifest->volume ? iso->spec->manifest->volume : "Boot2Docker";
	cleanup_buf struct buf name = BUF_INIT;

	template_fill(given, iso->spec->values, &name);
	if (name.len > VOLUME_MAX)
		return error_say(err, EINVAL, "the volume name %s is longer than the 32 characters of ISO 9660",
				 name.data);
	*ret = buf_steal(&name);
	return 0;
}

// Once in some thousand calls, beside many other processes, xorriso (1.5.4) says nothing and ends with status 1, which its man page
// calls an abort by a signal from outside; nobody sent one that we know of. What it writes is the same each time, so it is asked
// again, once.
static int run_xorriso_twice(const struct iso *iso, const char *output, const struct strv *argv, struct error *err)
{
	int r = run_tool(iso, argv, err);

	if (r >= 0)
		return r;
	log_warn("%s; once more", err->msg);
	r = file_unlink(output, err); // it would go on behind what is there
	return r < 0 ? r : run_tool(iso, argv, err);
}

static int run_xorriso(const struct iso *iso, const char *volume, struct error *err)
{
	cleanup_free char *mbr = path_join(iso->spec->work, "isohdpfx.bin");
	cleanup_free char *output = path_join(iso->spec->work, "boot2docker.iso");
	cleanup_strv struct strv argv = STRV_INIT;
	time_t epoch = (time_t)iso->spec->epoch;
	char date[32];
	struct tm tm;

	gmtime_r(&epoch, &tm);
	strftime(date, sizeof(date), "%Y%m%d%H%M%S00", &tm);
	strv_push_all(&argv, (const char *const[]){ "xorriso", "-as", "mkisofs", "-quiet", "-o", output, "-V", volume,
						    "-r", "-J", "-joliet-long", "-iso-level", "3",
						    "--set_all_file_dates", date, NULL });
	strv_pushf(&argv, "--modification-date=%s", date);
	strv_push_all(&argv, (const char *const[]){ "-isohybrid-mbr",
						    mbr,
						    "-b",
						    "boot/isolinux/isolinux.bin",
						    "-c",
						    "boot/isolinux/boot.cat",
						    "-no-emul-boot",
						    "-boot-load-size",
						    "4",
						    "-boot-info-table",
						    "-partition_offset",
						    "16",
						    "-partition_cyl_align",
						    "off",
						    "-no-pad",
						    "-append_partition",
						    "2",
						    "0xef",
						    iso->esp,
						    "-eltorito-alt-boot",
						    "-e",
						    "--interval:appended_partition_2:all::",
						    "-no-emul-boot",
						    iso->tree,
						    NULL });
	return run_xorriso_twice(iso, output, &argv, err);
}

static void make_env(struct iso *iso)
{
	for (char *const *e = environ; *e; e++) {
		if (strncmp(*e, "TZ=", 3) != 0 && strncmp(*e, "LC_ALL=", 7) != 0 && strncmp(*e, "MTOOLS", 6) != 0)
			strv_push(&iso->env, *e);
	}
	strv_push(&iso->env, "TZ=UTC"); // FAT has local times
	strv_push(&iso->env, "LC_ALL=C");
	strv_push(&iso->env, "MTOOLS_SKIP_CHECK=1");
	strv_push(&iso->env, "MTOOLSRC=/dev/null");
	strv_pushf(&iso->env, "SOURCE_DATE_EPOCH=%lld", (long long)iso->spec->epoch);
}

int iso_make(const struct iso_spec *spec, struct error *err)
{
	struct iso iso = { .spec = spec,
			   .tree = path_join(spec->work, "iso"),
			   .esp = path_join(spec->work, "esp.img") };
	cleanup_free char *volume = NULL;
	int r;

	make_env(&iso);
	r = volume_name(&iso, &volume, err);
	if (r == 0)
		r = fill_tree(&iso, err);
	if (r == 0)
		r = add_grub(&iso, err);
	if (r == 0)
		r = run_xorriso(&iso, volume, err);
	strv_done(&iso.env);
	free(iso.tree);
	free(iso.esp);
	return r < 0 ? error_wrap(err, "writing boot2docker.iso") : 0;
}
