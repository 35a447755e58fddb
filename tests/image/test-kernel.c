// SPDX-License-Identifier: Apache-2.0
// The kernel's configuration (merged, contradictions, what did not hold) and the package that a built kernel becomes.
#include "test.h"

#include "image/deb.h"
#include "image/kernel_build.h"
#include "image/kernel_config.h"
#include "image/kernel_package.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
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

// --- a build that is killed

struct killed_build {
	char *folder, *cache, *config, *deb, *pid_file;
};

// A source package whose tree is one Makefile.
static void make_source(const struct killed_build *t)
{
	cleanup_free char *tree = path_join(t->folder, "tree"), *root = path_join(t->folder, "root");
	cleanup_free char *tar = path_join(root, "usr/src/linux-source-6.12.tar.xz"), *src = path_dir(tar);
	struct error err = ERROR_INIT;

	write_file(tree, "linux/Makefile", "all:\n");
	assert_ok(file_mkdirs(src, 0755, &err), &err);
	assert_ok(proc_output((const char *const[]){ "tar", "-cJf", tar, "-C", tree, "linux", NULL }, NULL, &err),
		  &err);
	pack(root, t->deb);
}

// A make that starts a compiler, tells its number, and waits for it, as it would for an hour.
static void put_make(const struct killed_build *t)
{
	cleanup_free char *bin = path_join(t->folder, "bin"), *make = path_join(bin, "make");
	cleanup_free char *path = xasprintf("%s:%s", bin, getenv("PATH"));
	cleanup_free char *script = xasprintf("#!/bin/sh\nsleep 60 &\necho $! >%s.new\nmv %s.new %s\nwait\n",
					      t->pid_file, t->pid_file, t->pid_file);
	struct error err = ERROR_INIT;

	write_file(bin, "make", script);
	assert_int_equal(chmod(make, 0755), 0);
	setenv("PATH", path, 1);
	write_file(t->config, "a.config", "CONFIG_A=y\n");
	assert_ok(file_mkdirs(t->cache, 0755, &err), &err);
}

static int build(const struct killed_build *t, struct error *err)
{
	const struct apt_spec apt = { .cache = t->cache };
	const struct kernel_build_spec spec = { .apt = &apt, .config = t->config, .jobs = 1 };
	struct apt_package source = { .name = xstrdup("linux-source-6.12"),
				      .version = xstrdup("6.12-1"),
				      .path = t->deb };
	const struct kernel_plan plan = { .source = { .items = &source, .count = 1 },
					  .path = path_join(t->cache, "kernel.deb") };
	struct apt_set set = { .count = 0 };
	int r = kernel_build(&spec, &plan, &set, err);

	free(source.name);
	free(source.version);
	free(plan.path);
	return r;
}

static size_t count_work_folders(const struct killed_build *t)
{
	cleanup_free char *folder = path_join(t->cache, "kernels");
	cleanup_strv struct strv names = STRV_INIT;
	size_t count = 0;

	file_list(folder, &names);
	for (size_t i = 0; i < names.count; i++)
		count += strncmp(names.items[i], "build-", 6) == 0;
	return count;
}

static pid_t wait_for_compiler(const struct killed_build *t)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct error err = ERROR_INIT;
	int pid = 0;

	for (int i = 0; i < 1000 && !file_exists(t->pid_file); i++)
		clock_sleep_ms(10);
	assert_ok(file_read(t->pid_file, 32, &text, &err), &err);
	buf_trim_end(&text);
	assert_ok(number_parse_int(buf_str(&text), 2, INT_MAX, &pid, &err), &err);
	return pid;
}

static bool is_running(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/stat", pid);
	cleanup_buf struct buf text = BUF_INIT;

	return file_read(path, 4096, &text, NULL) == 0 && !strstr(buf_str(&text), ") Z ");
}

static void a_killed_build_leaves_nothing_running_and_the_next_one_removes_its_folder(void **state)
{
	cleanup_free char *folder = test_folder(), *old_path = xstrdup(getenv("PATH"));
	cleanup_free char *cache = path_join(folder, "cache"), *config = path_join(folder, "config");
	cleanup_free char *deb = path_join(folder, "source.deb"), *pid_file = path_join(folder, "pid");
	const struct killed_build t = { folder, cache, config, deb, pid_file };
	struct error err = ERROR_INIT;
	pid_t builder, compiler;

	(void)state;
	make_source(&t);
	put_make(&t);
	builder = fork();
	if (builder == 0)
		_exit(build(&t, &err) == 0 ? 0 : 1);
	compiler = wait_for_compiler(&t);
	assert_int_equal(count_work_folders(&t), 1);
	kill(builder, SIGKILL);
	assert_int_equal(proc_wait(builder, "the build", 5000, &err), -ECHILD);
	for (int i = 0; i < 500 && is_running(compiler); i++)
		clock_sleep_ms(10);
	assert_false(is_running(compiler));
	assert_int_equal(count_work_folders(&t), 1);
	cleanup_free char *bin = path_join(folder, "bin");

	write_file(bin, "make", "#!/bin/sh\nexit 1\n");
	error_clear(&err);
	assert_int_equal(build(&t, &err), -EIO);
	assert_int_equal(count_work_folders(&t), 0);
	setenv("PATH", old_path, 1);
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
		cmocka_unit_test(a_killed_build_leaves_nothing_running_and_the_next_one_removes_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
