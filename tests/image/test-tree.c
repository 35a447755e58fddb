// SPDX-License-Identifier: Apache-2.0
// The inode tree, Debian packages (also hostile ones), ELF files, and the initrd that is written from a tree.
#include "test.h"

#include "image/archives.h"
#include "image/deb.h"
#include "image/elf_file.h"
#include "image/layer.h"
#include "image/libraries.h"
#include "image/tree.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int add_file(struct node *root, const char *path, const char *text, const char *origin, struct error *err)
{
	cleanup_blob struct blob *blob = blob_from(text, strlen(text));
	struct node_spec spec = { .type = NODE_FILE, .mode = 0644, .blob = blob, .origin = origin };

	return tree_add(root, path, &spec, NULL, err);
}

static int add_link(struct node *root, const char *path, const char *target, struct error *err)
{
	struct node_spec spec = { .type = NODE_LINK, .mode = 0777, .target = target, .origin = "test" };

	return tree_add(root, path, &spec, NULL, err);
}

static void a_file_below_a_link_lands_where_the_link_points(void **state)
{
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;
	cleanup_free char *path = NULL;
	struct node *node;

	(void)state;
	assert_ok(add_link(root, "/bin", "usr/bin", &err), &err);
	assert_ok(add_link(root, "/var/run", "/run", &err), &err);
	assert_ok(add_file(root, "/usr/bin/sh", "sh", "a", &err), &err);
	assert_ok(add_file(root, "/bin/ls", "ls", "a", &err), &err);
	assert_ok(tree_lookup(root, "/bin/../bin/./ls", true, &node, &err), &err);
	path = tree_path(node);
	assert_string_equal(path, "/usr/bin/ls");
	assert_true(tree_has(root, "/bin/sh"));
	assert_false(tree_has(root, "/bin/missing"));
}

static void links_that_go_round_are_named(void **state)
{
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;
	struct node *node;

	(void)state;
	assert_ok(add_link(root, "/a", "b", &err), &err);
	assert_ok(add_link(root, "/b", "/a", &err), &err);
	assert_int_equal(tree_lookup(root, "/a/x", true, &node, &err), -ELOOP);
	error_clear(&err);
	assert_int_equal(add_file(root, "/a/x", "", "t", &err), -ELOOP);
	error_clear(&err);
	assert_int_equal(tree_check_links(root, &err), -ELOOP);
	assert_contains(err.msg, "/a (from test) is a symbolic link that leads back to itself");
}

static void a_link_to_nothing_is_named(void **state)
{
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add_link(root, "/usr/bin/docker-init", "tini", &err), &err);
	assert_int_equal(tree_check_links(root, &err), -ENOENT);
	assert_contains(err.msg, "/usr/bin/docker-init (from test) points to tini");
	assert_ok(add_file(root, "/usr/bin/tini", "x", "tini", &err), &err);
	assert_ok(tree_check_links(root, &err), &err);
}

static void two_packages_with_one_path_are_an_error_unless_it_is_the_same_file(void **state)
{
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add_file(root, "/etc/x", "one", "first", &err), &err);
	assert_ok(add_file(root, "/etc/x", "one", "second", &err), &err);
	assert_int_equal(add_file(root, "/etc/x", "two", "third", &err), -EEXIST);
	assert_contains(err.msg, "/etc/x comes from both first and third");
	error_clear(&err);
	assert_int_equal(add_file(root, "/etc", "x", "third", &err), -EEXIST);
	assert_contains(err.msg, "/etc is a folder for one of");
	error_clear(&err);
	assert_int_equal(add_file(root, "relative", "x", "t", &err), -EINVAL);
	assert_int_equal(add_file(root, "/etc/..", "x", "t", &err), -EINVAL);
}

struct member {
	const char *path;
	mode_t type;
	const char *data; // or the target
	bool is_hard_link;
};

static void write_member(struct archive *tar, const struct member *m)
{
	struct archive_entry *e = archive_entry_new();
	bool is_file = m->type == AE_IFREG && !m->is_hard_link;

	archive_entry_set_pathname(e, m->path);
	archive_entry_set_filetype(e, m->type);
	archive_entry_set_perm(e, 0755);
	archive_entry_set_mtime(e, 1000, 0);
	archive_entry_set_size(e, is_file ? (int64_t)strlen(m->data) : 0);
	if (m->type == AE_IFLNK)
		archive_entry_set_symlink(e, m->data);
	if (m->is_hard_link)
		archive_entry_set_hardlink(e, m->data);
	assert_int_equal(archive_write_header(tar, e), ARCHIVE_OK);
	if (is_file)
		assert_int_equal(archive_write_data(tar, m->data, strlen(m->data)), strlen(m->data));
	archive_entry_free(e);
}

static size_t make_tar(const struct member *members, size_t count, char *ret, size_t max)
{
	struct archive *tar = archive_write_new();
	size_t used = 0;

	archive_write_set_format_ustar(tar);
	archive_write_add_filter_xz(tar);
	assert_int_equal(archive_write_open_memory(tar, ret, max, &used), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++)
		write_member(tar, &members[i]);
	assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
	archive_write_free(tar);
	return used;
}

// A package: an ar of debian-binary, control and data; only the last matters.
static size_t make_deb(const struct member *members, size_t count, char *ret, size_t max)
{
	static char data[1 << 16];
	size_t data_len = make_tar(members, count, data, sizeof(data)), used = 0;
	struct archive *ar = archive_write_new();
	const struct {
		const char *name;
		const void *data;
		size_t len;
	} parts[] = { { "debian-binary", "2.0\n", 4 }, { "data.tar.xz", data, data_len } };

	archive_write_set_format_ar_svr4(ar);
	assert_int_equal(archive_write_open_memory(ar, ret, max, &used), ARCHIVE_OK);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, parts[i].name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (int64_t)parts[i].len);
		assert_int_equal(archive_write_header(ar, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(ar, parts[i].data, parts[i].len), parts[i].len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(ar), ARCHIVE_OK);
	archive_write_free(ar);
	return used;
}

static bool want_all(const char *path, void *arg)
{
	(void)path, (void)arg;
	return true;
}

static void a_package_is_read_with_merged_usr_and_hard_links(void **state)
{
	static const struct member members[] = {
		{ "./", AE_IFDIR, NULL, false },
		{ "./bin/", AE_IFDIR, NULL, false },
		{ "./bin/tool", AE_IFREG, "program", false },
		{ "./usr/bin/other", AE_IFREG, "./bin/tool", true },
		{ "./lib64/ld.so", AE_IFLNK, "../lib/ld.so", false },
	};
	static char bytes[1 << 17];
	size_t len = make_deb(members, ARRAY_SIZE(members), bytes, sizeof(bytes));
	struct error err = ERROR_INIT;
	const struct deb_entry *e;
	struct deb d;

	(void)state;
	assert_ok(deb_read_memory(bytes, len, "x.deb", want_all, NULL, &d, &err), &err);
	assert_non_null(e = deb_find(&d, "/usr/bin/other"));
	assert_string_equal(e->blob->data, "program");
	assert_non_null(e = deb_find(&d, "/usr/bin/tool"));
	assert_int_equal(e->mtime, 1000);
	assert_non_null(e = deb_find(&d, "/usr/lib64/ld.so"));
	assert_string_equal(e->target, "../lib/ld.so");
	assert_null(deb_find(&d, "/bin/tool"));
	deb_done(&d);
}

static void a_hostile_package_is_refused(void **state)
{
	static const struct {
		struct member member;
		const char *message;
	} cases[] = {
		{ { "/etc/passwd", AE_IFREG, "x", false }, "leaves its root" },
		{ { "./../../etc/passwd", AE_IFREG, "x", false }, "leaves its root" },
		{ { "./dev/sda", AE_IFBLK, NULL, false }, "is a device" },
		{ { "./usr/pipe", AE_IFIFO, NULL, false }, "is a device, socket or pipe" },
		{ { "./usr/x", AE_IFREG, "./etc/shadow", true }, "is a hard link to /etc/shadow, which is not in" },
	};
	static char bytes[1 << 17];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = make_deb(&cases[i].member, 1, bytes, sizeof(bytes));
		struct error err = ERROR_INIT;
		struct deb d;

		assert_true(deb_read_memory(bytes, len, "evil.deb", want_all, NULL, &d, &err) < 0);
		assert_contains(err.msg, "evil.deb: ");
		assert_contains(err.msg, cases[i].message);
	}
}

static void a_cut_off_package_is_an_error_at_every_length(void **state)
{
	static const struct member members[] = { { "./usr/x", AE_IFREG, "some text", false } };
	static char bytes[1 << 17];
	size_t len = make_deb(members, 1, bytes, sizeof(bytes));
	size_t refused = 0;

	(void)state;
	// The ar pads its last member, and xz ends before that.
	for (size_t cut = 0; cut < len - 1; cut++) {
		struct error err = ERROR_INIT;
		struct deb d;

		if (deb_read_memory(bytes, cut, "cut.deb", want_all, NULL, &d, &err) == 0)
			deb_done(&d);
		else
			refused++;
	}
	assert_int_equal(refused, len - 1);
}

static void an_elf_file_tells_its_loader_and_libraries(void **state)
{
	cleanup_elf_needs struct elf_needs needs = { .interpreter = NULL };
	cleanup_buf struct buf self = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_read("/proc/self/exe", 64 << 20, &self, &err), &err);
	assert_ok(elf_read_needs(self.data, self.len, &needs, &err), &err);
	assert_contains(needs.interpreter, "ld-linux");
	assert_true(strv_contains(&needs.needed, "libc.so.6"));
}

static void a_damaged_elf_file_is_refused_or_read_but_never_overrun(void **state)
{
	cleanup_buf struct buf self = BUF_INIT;
	struct error err = ERROR_INIT;
	const uint8_t *section;
	size_t len, refused = 0;

	(void)state;
	assert_ok(file_read("/proc/self/exe", 64 << 20, &self, &err), &err);
	for (size_t cut = 0; cut < self.len; cut += 257) {
		struct elf_needs needs = { .interpreter = NULL };
		cleanup_free char *copy = xmalloc(cut + 1); // its own block, so that ASan sees an overrun

		memcpy(copy, self.data, cut);
		if (elf_read_needs(copy, cut, &needs, NULL) == 0)
			elf_needs_done(&needs);
		else
			refused++;
		assert_true(elf_find_section(copy, cut, ".modinfo", &section, &len, NULL) < 0);
	}
	assert_true(refused > 1);
	assert_true(elf_read_needs("#!/bin/sh\n", 10, &(struct elf_needs){ .interpreter = NULL }, NULL) < 0);
}

static void library_names_lead_to_package_names(void **state)
{
	static const char *const pairs[][2] = { { "libssl.so.3", "libssl3" },
						{ "libelf.so.1", "libelf1" },
						{ "libdb-5.3.so", "libdb-5.3" },
						{ "libip4tc.so.2", "libip4tc2" },
						{ "libgssapi_krb5.so.2", "libgssapi-krb5-2" },
						{ "libX11.so.6", "libx11-6" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		cleanup_free char *guess = libraries_guess_package(pairs[i][0]);

		assert_string_equal(guess, pairs[i][1]);
	}
}

static void write_initrd(struct node *root, struct buf *ret)
{
	cleanup_close int fd = memfd_create("initrd", MFD_CLOEXEC);
	struct error err = ERROR_INIT;

	assert_true(fd >= 0);
	assert_ok(initrd_write(root, 1700000000, fd, &err), &err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(file_read_fd(fd, "initrd", 1 << 20, ret, &err), &err);
}

// The judge is cpio, which knows nothing of us.
static void the_initrd_is_a_cpio_with_our_owners_and_the_same_bytes_each_time(void **state)
{
	const char *const argv[] = { "cpio", "-tv", "--numeric-uid-gid", "--quiet", NULL };
	cleanup_tree struct node *root = tree_new();
	cleanup_buf struct buf one = BUF_INIT, two = BUF_INIT, list = BUF_INIT;
	struct error err = ERROR_INIT;
	struct proc_spec spec = { .argv = argv, .in = PROC_DATA, .out = PROC_CAPTURE, .out_buf = &list };

	(void)state;
	assert_ok(add_file(root, "/layers/10-base.squashfs", "hsqs", "t", &err), &err);
	assert_ok(add_file(root, "/init", "#!", "t", &err), &err);
	assert_ok(add_link(root, "/bin", "usr/bin", &err), &err);
	write_initrd(root, &one);
	write_initrd(root, &two);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	spec.input = one.data;
	spec.input_len = one.len;
	assert_ok(proc_check(&spec, &err), &err);
	assert_contains(list.data, "-rw-r--r--   1 0        0               4 Nov 14  2023 layers/10-base.squashfs");
	assert_contains(list.data, "bin -> usr/bin");
}

static void a_full_disk_stops_the_initrd_with_its_reason(void **state)
{
	cleanup_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;

	(void)state;
	assert_true(fd >= 0);
	assert_ok(add_file(root, "/init", "#!", "t", &err), &err);
	assert_int_equal(initrd_write(root, 0, fd, &err), -ENOSPC);
	assert_contains(err.msg, "No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_below_a_link_lands_where_the_link_points),
		cmocka_unit_test(links_that_go_round_are_named),
		cmocka_unit_test(a_link_to_nothing_is_named),
		cmocka_unit_test(two_packages_with_one_path_are_an_error_unless_it_is_the_same_file),
		cmocka_unit_test(a_package_is_read_with_merged_usr_and_hard_links),
		cmocka_unit_test(a_hostile_package_is_refused),
		cmocka_unit_test(a_cut_off_package_is_an_error_at_every_length),
		cmocka_unit_test(an_elf_file_tells_its_loader_and_libraries),
		cmocka_unit_test(a_damaged_elf_file_is_refused_or_read_but_never_overrun),
		cmocka_unit_test(library_names_lead_to_package_names),
		cmocka_unit_test(the_initrd_is_a_cpio_with_our_owners_and_the_same_bytes_each_time),
		cmocka_unit_test(a_full_disk_stops_the_initrd_with_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
