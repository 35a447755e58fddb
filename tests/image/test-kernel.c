// SPDX-License-Identifier: Apache-2.0
// The kernel's configuration (merged, contradictions, what did not hold) and the package that a built kernel becomes.
#include "test.h"

#include "image/deb.h"
#include "image/kernel_config.h"
#include "image/kernel_package.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <sys/stat.h>

static int add(struct kernel_config *c, const char *what, const char *text, bool override, struct error *err)
{
	return kernel_config_add(c, what, text, strlen(text), override, err);
}

static int check(const struct kernel_config *c, const char *made, struct error *err)
{
	return kernel_config_check(c, made, strlen(made), err);
}

static void the_themes_of_distro_do_not_contradict_each_other(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(kernel_config_add_folder(&c, getenv("B2D_KERNEL_CONFIG"), &err), &err);
	assert_true(c.count > 500);
}

static void an_option_set_differently_in_two_fragments_names_both_places(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add(&c, "a.config", "# A theme\n\nCONFIG_VETH=y\nCONFIG_TUN=m\n", false, &err), &err);
	assert_ok(add(&c, "b.config", "CONFIG_VETH=y\n", false, &err), &err);
	assert_int_equal(add(&c, "b.config", "\nCONFIG_TUN=y\n", false, &err), -EINVAL);
	assert_contains(err.msg, "b.config:2: CONFIG_TUN=y contradicts a.config:4, which says m");
	error_clear(&err);
	assert_int_equal(add(&c, "b.config", "# CONFIG_VETH is not set\n", false, &err), -EINVAL);
	assert_contains(err.msg, "b.config:1: CONFIG_VETH=n contradicts a.config:3");
}

static void a_fragment_given_on_top_wins(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	cleanup_buf struct buf text = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add(&c, "a.config", "CONFIG_A=y\nCONFIG_B=\"b\"\nCONFIG_C=7\n", false, &err), &err);
	assert_ok(add(&c, "mine", "# CONFIG_A is not set\nCONFIG_D=0x10\n", true, &err), &err);
	kernel_config_write(&c, &text);
	assert_string_equal(buf_str(&text), "CONFIG_A=n\nCONFIG_B=\"b\"\nCONFIG_C=7\nCONFIG_D=0x10\n");
}

static void a_line_that_sets_nothing_is_refused(void **state)
{
	static const char *const lines[] = {
		"CONFIG_=y",       "CONFIG_A",          "CONFIG_A = y",     "CONFIG_A=yes", "CONFIG_A=",
		"CONFIG_A=\"open", "CONFIG_A=\"a\"b\"", "CONFIG_A=0x",      "CONFIG_A=-",   "VETH=y",
		"config_A=y",      "CONFIG_A=\"\\\"",   "CONFIG_A=y # why",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		cleanup_kernel_config struct kernel_config c = { .count = 0 };
		struct error err = ERROR_INIT;

		assert_int_equal(add(&c, "bad.config", lines[i], false, &err), -EINVAL);
		assert_contains(err.msg, "bad.config:1: ");
		assert_contains(err.msg, lines[i]);
	}
}

static void a_fragment_with_a_nul_byte_is_refused(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(kernel_config_add(&c, "bad.config", "\nCONFIG\0A=y\n", 12, false, &err), -EINVAL);
	assert_string_equal(err.msg, "bad.config:2: a NUL byte");
}

// What Kconfig writes, in short.
static const char made[] =
	"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.117 Kernel Configuration\n#\n"
	"CONFIG_CC_VERSION_TEXT=\"gcc (a \\\"quoted\\\" one) 12.2.0\"\nCONFIG_NR_CPUS=256\n"
	"CONFIG_LSM=\"landlock,apparmor\"\nCONFIG_VETH=m\nCONFIG_BRIDGE=y\n# CONFIG_TUN is not set\n"
	"# end of General setup\nCONFIG_KEXEC=y\nCONFIG_PHYSICAL_ALIGN=0x200000\n";

static void options_that_hold_are_no_error(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add(&c, "a.config",
		      "CONFIG_BRIDGE=y\nCONFIG_VETH=m\nCONFIG_LSM=\"landlock,apparmor\"\nCONFIG_NR_CPUS=256\n"
		      "# CONFIG_TUN is not set\n# CONFIG_NOWHERE is not set\nCONFIG_PHYSICAL_ALIGN=0x200000\n",
		      false, &err),
		  &err);
	assert_ok(check(&c, made, &err), &err);
}

static void an_option_that_did_not_hold_is_named_with_its_place_and_what_it_is(void **state)
{
	static const struct {
		const char *asked, *told;
	} rows[] = {
		{ "\nCONFIG_VETH=y\n", "docker.config:2: CONFIG_VETH=y did not hold: it is m" },
		{ "CONFIG_TUN=m\n", "docker.config:1: CONFIG_TUN=m did not hold: it is n" },
		{ "# CONFIG_KEXEC is not set\n", "docker.config:1: CONFIG_KEXEC=n did not hold: it is y" },
		{ "CONFIG_NR_CPUS=64\n", "docker.config:1: CONFIG_NR_CPUS=64 did not hold: it is 256" },
		{ "CONFIG_LSM=\"apparmor\"\n",
		  "docker.config:1: CONFIG_LSM=\"apparmor\" did not hold: it is \"landlock,apparmor\"" },
		{ "CONFIG_AUFS_FS=y\n", "docker.config:1: CONFIG_AUFS_FS=y did not hold: it is off" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_kernel_config struct kernel_config c = { .count = 0 };
		struct error err = ERROR_INIT;

		assert_ok(add(&c, "docker.config", rows[i].asked, false, &err), &err);
		assert_int_equal(check(&c, made, &err), -EINVAL);
		assert_contains(err.msg, rows[i].told);
	}
}

static void several_options_that_did_not_hold_are_counted(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(add(&c, "a.config", "CONFIG_X=y\nCONFIG_BRIDGE=y\nCONFIG_Y=m\nCONFIG_Z=1\n", false, &err), &err);
	assert_int_equal(check(&c, made, &err), -EINVAL);
	assert_contains(err.msg, "a.config:1: CONFIG_X=y did not hold");
	assert_contains(err.msg, "and 2 more");
}

static void a_folder_without_fragments_is_an_error(void **state)
{
	cleanup_kernel_config struct kernel_config c = { .count = 0 };
	cleanup_free char *folder = test_folder();
	cleanup_free char *hidden = path_join(folder, ".config");
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_replace_text(hidden, "CONFIG_A=y\n", 0644, &err), &err);
	assert_int_equal(kernel_config_add_folder(&c, folder, &err), -ENOENT);
	assert_contains(err.msg, "has no file that ends in .config");
	assert_ok(file_remove_tree(folder, &err), &err);
}

static bool want_all(const char *path, void *arg)
{
	(void)path;
	(void)arg;
	return true;
}

static void write_file(const char *root, const char *name, const char *text)
{
	cleanup_free char *path = path_join(root, name);
	cleanup_free char *folder = path_dir(path);
	struct error err = ERROR_INIT;

	assert_ok(file_mkdirs(folder, 0700, &err), &err);
	assert_ok(file_replace_text(path, text, 0600, &err), &err);
}

static void pack(const char *root, const char *path)
{
	const struct kernel_package_spec spec = {
		.root = root, .name = "linux-image-test", .version = "6.12-1", .epoch = 1700000000
	};
	struct error err = ERROR_INIT;

	assert_ok(kernel_package_write(&spec, path, &err), &err);
}

static void fill_kernel(const char *root)
{
	cleanup_free char *link = path_join(root, "usr/lib/modules/6.12/build");

	write_file(root, "boot/vmlinuz-6.12", "a kernel");
	write_file(root, "usr/lib/modules/6.12/kernel/net/tun.ko", "a module");
	write_file(root, "usr/lib/modules/6.12/modules.builtin", "");
	assert_int_equal(symlink("/somewhere", link), 0);
}

static void a_packed_kernel_is_read_back_and_links_are_left_out(void **state)
{
	cleanup_free char *folder = test_folder();
	cleanup_free char *root = path_join(folder, "root");
	cleanup_free char *path = path_join(folder, "kernel.deb");
	const struct deb_entry *module;
	struct error err = ERROR_INIT;
	struct deb deb;

	(void)state;
	fill_kernel(root);
	pack(root, path);
	assert_ok(deb_read(path, want_all, NULL, &deb, &err), &err);
	module = deb_find(&deb, "/usr/lib/modules/6.12/kernel/net/tun.ko");
	assert_non_null(module);
	assert_int_equal(module->mode & 0777, 0644);
	assert_memory_equal(module->blob->data, "a module", 9);
	assert_non_null(deb_find(&deb, "/usr/lib/modules/6.12/modules.builtin"));
	assert_null(deb_find(&deb, "/usr/lib/modules/6.12/build"));
	deb_done(&deb);
	assert_ok(file_remove_tree(folder, &err), &err);
}

static void dpkg_accepts_a_packed_kernel(void **state)
{
	cleanup_free char *folder = test_folder();
	cleanup_free char *root = path_join(folder, "root");
	cleanup_free char *path = path_join(folder, "kernel.deb");
	cleanup_buf struct buf field = BUF_INIT, list = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	fill_kernel(root);
	pack(root, path);
	assert_ok(proc_output((const char *const[]){ "dpkg-deb", "--field", path, "Version", NULL }, &field, &err),
		  &err);
	assert_string_equal(buf_str(&field), "6.12-1");
	assert_ok(proc_output((const char *const[]){ "dpkg-deb", "--contents", path, NULL }, &list, &err), &err);
	assert_contains(buf_str(&list), "-rw-r--r-- 0/0");
	assert_contains(buf_str(&list), "/boot/vmlinuz-6.12");
	assert_ok(file_remove_tree(folder, &err), &err);
}

static void the_same_files_give_the_same_package(void **state)
{
	cleanup_free char *folder = test_folder();
	cleanup_free char *one = path_join(folder, "one"), *two = path_join(folder, "elsewhere/two");
	cleanup_free char *one_path = path_join(folder, "1.deb"), *two_path = path_join(folder, "2.deb");
	cleanup_buf struct buf first = BUF_INIT, second = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	fill_kernel(one);
	fill_kernel(two);
	pack(one, one_path);
	pack(two, two_path);
	assert_ok(file_read(one_path, 1 << 20, &first, &err), &err);
	assert_ok(file_read(two_path, 1 << 20, &second, &err), &err);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_ok(file_remove_tree(folder, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_themes_of_distro_do_not_contradict_each_other),
		cmocka_unit_test(an_option_set_differently_in_two_fragments_names_both_places),
		cmocka_unit_test(a_fragment_given_on_top_wins),
		cmocka_unit_test(a_line_that_sets_nothing_is_refused),
		cmocka_unit_test(a_fragment_with_a_nul_byte_is_refused),
		cmocka_unit_test(options_that_hold_are_no_error),
		cmocka_unit_test(an_option_that_did_not_hold_is_named_with_its_place_and_what_it_is),
		cmocka_unit_test(several_options_that_did_not_hold_are_counted),
		cmocka_unit_test(a_folder_without_fragments_is_an_error),
		cmocka_unit_test(a_packed_kernel_is_read_back_and_links_are_left_out),
		cmocka_unit_test(dpkg_accepts_a_packed_kernel),
		cmocka_unit_test(the_same_files_give_the_same_package),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
