// SPDX-License-Identifier: Apache-2.0
// What a hypervisor is handed: the kernel inside a bzImage, and an initrd whose layers become disks.
#include "../unit/test.h"

#include "lib/file.h"
#include "lib/path.h"
#include "machine/bzimage.h"
#include "machine/initrd.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <sys/stat.h>

#define KERNEL_LEN 70000
#define NOTE_AT 4096
#define PAYLOAD_AT 0x400

static char *folder;

static int make_folder(void **state)
{
	(void)state;
	folder = test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_remove_tree(folder, &err), &err);
	free(folder);
	return 0;
}

static char *in_folder(const char *name)
{
	return path_join(folder, name);
}

static void put(const char *name, const void *data, size_t len)
{
	cleanup_free char *path = in_folder(name);
	struct error err = ERROR_INIT;

	assert_ok(file_replace(path, data, len, 0644, &err), &err);
}

static void check_file(const char *name, const void *data, size_t len)
{
	cleanup_free char *path = in_folder(name);
	cleanup_buf struct buf text = BUF_INIT;
	struct error err = ERROR_INIT;

	assert_ok(file_read(path, 1 << 20, &text, &err), &err);
	assert_int_equal(text.len, len);
	assert_memory_equal(buf_str(&text), data, len);
}

// An ELF file with one segment of notes: one of somebody else's, then one of "Xen" with this type.
static void make_kernel(uint8_t kernel[KERNEL_LEN], uint32_t type)
{
	static const uint32_t other[] = { 5, 3, 18, 0x756e6547, 0, 0 }; // "Genu", padded name, padded bytes
	const uint32_t note[] = { 4, 8, type, 0x006e6558, 0x1000000, 0 }; // "Xen"
	Elf64_Ehdr header = { .e_machine = EM_X86_64, .e_phoff = 64, .e_phnum = 2, .e_phentsize = sizeof(Elf64_Phdr) };
	const Elf64_Phdr segments[] = {
		{ .p_type = PT_LOAD, .p_filesz = 64 },
		{ .p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = sizeof(other) + sizeof(note) }
	};

	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	for (size_t i = 0; i < KERNEL_LEN; i++)
		kernel[i] = (uint8_t)(i * i >> 7);
	memcpy(kernel, &header, sizeof(header));
	memcpy(kernel + 64, segments, sizeof(segments));
	memcpy(kernel + NOTE_AT, other, sizeof(other));
	memcpy(kernel + NOTE_AT + sizeof(other), note, sizeof(note));
}

static size_t pack(const void *data, size_t len, const char *filter, uint8_t *out, size_t room)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used = 0;

	assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
	assert_int_equal(strcmp(filter, "xz") == 0 ? archive_write_add_filter_xz(a) : archive_write_add_filter_gzip(a),
			 ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open_memory(a, out, room, &used), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, len), (la_ssize_t)len);
	archive_write_free(a);
	archive_entry_free(entry);
	return used;
}

// One sector of setup code after the first, then the payload at once.
static size_t make_bzimage(const uint8_t *kernel, const char *filter, uint8_t *image, size_t room)
{
	size_t packed = pack(kernel, KERNEL_LEN, filter, image + PAYLOAD_AT, room - PAYLOAD_AT - 4);
	uint32_t payload = (uint32_t)packed + (strcmp(filter, "gzip") == 0 ? 0 : 4), size = KERNEL_LEN, offset = 0;

	image[0x1f1] = 1;
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	memcpy(image + 0x248, &offset, 4);
	memcpy(image + 0x24c, &payload, 4);
	memcpy(image + PAYLOAD_AT + packed, &size, 4);
	return PAYLOAD_AT + payload;
}

static int unpack(struct error *err)
{
	cleanup_free char *from = in_folder("bzimage");
	cleanup_free char *to = in_folder("vmlinux");

	return bzimage_unpack(from, to, err);
}

static void a_bzimage_has_its_kernel_unpacked(void **state)
{
	static const char *const filters[] = { "xz", "gzip" };
	static uint8_t kernel[KERNEL_LEN], image[2 * KERNEL_LEN];
	struct error err = ERROR_INIT;

	(void)state;
	make_kernel(kernel, 18);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		put("bzimage", image, make_bzimage(kernel, filters[i], image, sizeof(image)));
		assert_int_equal(unpack(&err), 1);
		check_file("vmlinux", kernel, KERNEL_LEN);
	}
}

static void a_bzimage_that_cannot_start_directly_stays_packed(void **state)
{
	static uint8_t kernel[KERNEL_LEN], image[2 * KERNEL_LEN];
	cleanup_free char *unpacked = in_folder("vmlinux");
	struct error err = ERROR_INIT;
	size_t len;

	(void)state;
	make_kernel(kernel, 17); // another note
	len = make_bzimage(kernel, "xz", image, sizeof(image));
	put("bzimage", image, len);
	assert_int_equal(unpack(&err), 0);
	make_kernel(kernel, 18);
	len = make_bzimage(kernel, "xz", image, sizeof(image));
	for (size_t cut = 0; cut < len; cut += 997) {
		put("bzimage", image, cut);
		assert_int_equal(unpack(&err), 0);
	}
	image[PAYLOAD_AT + 100] ^= 0xff;
	put("bzimage", image, len);
	assert_int_equal(unpack(&err), 0);
	assert_false(file_exists(unpacked));
}

static void a_cut_elf_file_has_no_entry(void **state)
{
	static uint8_t kernel[KERNEL_LEN];

	(void)state;
	make_kernel(kernel, 18);
	assert_true(elf_has_pvh_entry(kernel, KERNEL_LEN));
	for (size_t len = 0; len < NOTE_AT + 40; len++) {
		uint8_t *cut = xmalloc(len + 1); // so that a sanitizer sees a read behind it

		memcpy(cut, kernel, len);
		assert_false(elf_has_pvh_entry(cut, len));
		free(cut);
	}
}

struct member {
	const char *name, *text;
};

static void make_initrd(const char *name, const struct member *members, size_t count)
{
	cleanup_free char *path = in_folder(name);
	struct archive *a = archive_write_new();

	archive_write_set_format_cpio_newc(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		struct archive_entry *entry = archive_entry_new();
		size_t len = strlen(members[i].text);

		archive_entry_set_pathname(entry, members[i].name);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, 0755);
		archive_entry_set_size(entry, (la_int64_t)len);
		assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, members[i].text, len), (la_ssize_t)len);
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

static int split(const char *name, struct error *err)
{
	cleanup_free char *from = in_folder(name);
	cleanup_free char *into = in_folder("into");

	assert_ok(file_mkdirs(into, 0700, err), err);
	return initrd_split(from, into, err);
}

// The members of into/initrd.img must be these.
static void check_rest(const struct member *members, size_t count)
{
	cleanup_free char *path = in_folder("into/initrd.img");
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	char text[64];

	archive_read_support_format_cpio(a);
	assert_int_equal(archive_read_open_filename(a, path, 4096), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_OK);
		assert_string_equal(archive_entry_pathname(entry), members[i].name);
		assert_int_equal(archive_entry_perm(entry), 0755);
		la_ssize_t len = archive_read_data(a, text, sizeof(text));
		assert_int_equal(len, (la_ssize_t)strlen(members[i].text));
		assert_memory_equal(text, members[i].text, (size_t)len);
	}
	assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_EOF);
	archive_read_free(a);
}

static void layers_become_files_and_stay_as_empty_ones(void **state)
{
	static const struct member members[] = { { "init", "program" },
						 { "layers/00-own.squashfs", "own" },
						 { "layers/10-base.squashfs", "base" },
						 { "layers/README", "text" } };
	static const struct member rest[] = { { "init", "program" },
					      { "layers/00-own.squashfs", "" },
					      { "layers/10-base.squashfs", "" },
					      { "layers/README", "text" } };
	cleanup_free char *serial = initrd_layer_serial("10-base.squashfs");
	struct error err = ERROR_INIT;

	(void)state;
	make_initrd("initrd", members, ARRAY_SIZE(members));
	assert_ok(split("initrd", &err), &err);
	check_file("into/00-own.squashfs", "own", 3);
	check_file("into/10-base.squashfs", "base", 4);
	check_rest(rest, ARRAY_SIZE(rest));
	assert_string_equal(serial, "layer-10-base");
}

static void names_that_are_no_layers_stay_in_the_initrd(void **state)
{
	static const struct member members[] = { { "layers/../../x.squashfs", "1" },
						 { "layers/a/b.squashfs", "2" },
						 { "layers/.squashfs", "3" },
						 { "layers/a,b.squashfs", "4" },
						 { "x/layers/a.squashfs", "5" } };
	cleanup_free char *outside = in_folder("x.squashfs");
	struct error err = ERROR_INIT;

	(void)state;
	make_initrd("initrd", members, ARRAY_SIZE(members));
	assert_ok(split("initrd", &err), &err);
	check_rest(members, ARRAY_SIZE(members));
	assert_false(file_exists(outside));
}

static void an_image_for_templates_is_marked(void **state)
{
	static const struct member marked[] = { { "init", "program" }, { "boot/templates", "" } };
	static const struct member others[] = { { "init", "program" },
						{ "templates", "" },
						{ "x/boot/templates", "" } };
	cleanup_free char *mark = in_folder("into/" INITRD_TEMPLATES);
	struct error err = ERROR_INIT;

	(void)state;
	make_initrd("initrd", others, ARRAY_SIZE(others));
	assert_ok(split("initrd", &err), &err);
	assert_false(file_exists(mark));
	make_initrd("initrd", marked, ARRAY_SIZE(marked));
	assert_ok(split("initrd", &err), &err);
	assert_true(file_exists(mark));
	check_rest(marked, ARRAY_SIZE(marked));
}

static void absurd_initrds_are_refused(void **state)
{
	struct member many[9];
	static const struct member long_name[] = { { "layers/123456789012345.squashfs", "" } };
	char names[9][24];
	struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(names[i], sizeof(names[i]), "layers/%zu.squashfs", i);
		many[i] = (struct member){ names[i], "x" };
	}
	make_initrd("initrd", many, ARRAY_SIZE(many));
	assert_int_equal(split("initrd", &err), -EBADMSG);
	make_initrd("initrd", long_name, 1);
	assert_int_equal(split("initrd", &err), -EBADMSG);
}

static void an_initrd_of_others_is_copied(void **state)
{
	static const char text[] = "this is not a cpio";
	struct error err = ERROR_INIT;

	(void)state;
	put("initrd", text, sizeof(text));
	assert_ok(split("initrd", &err), &err);
	check_file("into/initrd.img", text, sizeof(text));
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(a_bzimage_has_its_kernel_unpacked),
		with_folder(a_bzimage_that_cannot_start_directly_stays_packed),
		cmocka_unit_test(a_cut_elf_file_has_no_entry),
		with_folder(layers_become_files_and_stay_as_empty_ones),
		with_folder(names_that_are_no_layers_stay_in_the_initrd),
		with_folder(an_image_for_templates_is_marked),
		with_folder(absurd_initrds_are_refused),
		with_folder(an_initrd_of_others_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
