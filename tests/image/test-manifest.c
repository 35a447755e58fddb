// SPDX-License-Identifier: Apache-2.0
// Manifests, users, path patterns and templates: what is read, and what is refused with file and line.
#include "test.h"

#include "image/glob.h"
#include "image/manifest.h"
#include "image/template.h"
#include "image/tree.h"
#include "image/users.h"
#include "lib/file.h"
#include "lib/path.h"

#include <errno.h>

static char *make_distro(const char *profile, const char *slice)
{
	char *folder = test_folder();
	cleanup_free char *profiles = path_join(folder, "profiles"), *slices = path_join(folder, "slices");
	cleanup_free char *modules = path_join(folder, "modules"), *p = path_join(profiles, "p");
	cleanup_free char *s = path_join(slices, "s.slice"), *m = path_join(modules, "m.list");
	struct error err = ERROR_INIT;

	assert_ok(file_mkdirs(profiles, 0755, &err), &err);
	assert_ok(file_mkdirs(slices, 0755, &err), &err);
	assert_ok(file_mkdirs(modules, 0755, &err), &err);
	assert_ok(file_replace_text(p, profile, 0644, &err), &err);
	assert_ok(file_replace_text(s, slice, 0644, &err), &err);
	assert_ok(file_replace_text(m, "loop\nvirtio_net ext4 # both\n", 0644, &err), &err);
	return folder;
}

static const char good_profile[] = "kernel linux-image-amd64\nversion-from docker.io\ncmdline console=tty0 quiet\n"
				   "layer base 10-base -comp zstd\nlayer cold 20-cold -comp xz\nslices s\n"
				   "modules initrd m\nmodules cold m\nboot-packages isolinux\n";

static int read_distro(const char *profile, const char *slice, struct manifest *ret, struct error *err)
{
	cleanup_free char *folder = make_distro(profile, slice);
	int r = manifest_read(folder, "p", "trixie", ret, err);
	struct error remove_err = ERROR_INIT;

	assert_ok(file_remove_tree(folder, &remove_err), &remove_err);
	return r;
}

static void a_suite_can_have_slices_of_its_own(void **state)
{
	cleanup_free char *folder = make_distro(good_profile, "package docker.io\nfile /usr/sbin/dockerd\n");
	cleanup_free char *own = path_join(folder, "slices/forky");
	cleanup_free char *slice = path_join(own, "s.slice");
	cleanup_manifest struct manifest forky = { .layer_count = 0 }, trixie = { .layer_count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_mkdirs(own, 0755, &err), &err);
	assert_ok(file_replace_text(slice, "package moby\nfile /usr/sbin/dockerd\n", 0644, &err), &err);
	assert_ok(manifest_read(folder, "p", "forky", &forky, &err), &err);
	assert_ok(manifest_read(folder, "p", "trixie", &trixie, &err), &err);
	assert_string_equal(forky.packages[0].name, "moby");
	assert_string_equal(trixie.packages[0].name, "docker.io");
	assert_ok(file_remove_tree(folder, &err), &err);
}

static void a_profile_names_all_that_the_image_is_made_of(void **state)
{
	cleanup_manifest struct manifest m = { .layer_count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(read_distro(good_profile,
			      "package docker.io\nfile /usr/sbin/dockerd\\\n  /usr/bin/x # two\nlayer cold\n"
			      "libraries libc6 docker.io\ndir /run 0755\nlayer initrd\nprogram init /init\n",
			      &m, &err),
		  &err);
	assert_string_equal(m.cmdline, "console=tty0 quiet");
	assert_int_equal(m.layer_count, 2);
	assert_string_equal(m.layers[1].options.items[1], "xz");
	assert_int_equal(m.rule_count, 3);
	assert_int_equal(m.rules[0].args.count, 2);
	assert_string_equal(m.rules[0].package, "docker.io");
	assert_int_equal(m.rules[0].layer, 0);
	assert_int_equal(m.rules[1].layer, 1);
	assert_int_equal(m.rules[2].layer, LAYER_INITRD);
	assert_int_equal(m.package_count, 2);
	assert_true(m.packages[0].is_pool); // named twice, once as a pool
	assert_int_equal(m.module_count, 6);
	assert_string_equal(m.modules[2].name, "ext4");
	assert_int_equal(m.modules[2].layer, LAYER_INITRD);
	assert_int_equal(m.modules[5].layer, 1);
}

static void what_a_slice_gets_wrong_is_named_with_file_and_line(void **state)
{
	static const struct {
		const char *slice, *message;
	} cases[] = {
		{ "nonsense x\n", "s.slice:1: unknown statement \"nonsense\"" },
		{ "\n\nfile /bin/x\n", "s.slice:3: \"file\" needs a \"package NAME\" above it" },
		{ "package a b\n", "write it as: package NAME" },
		{ "package Bad_Name\n", "\"Bad_Name\" is not the name of a Debian package" },
		{ "package -o\n", "\"-o\" is not the name of a Debian package" },
		{ "libraries libc6 --config\n", "\"--config\" is not the name of a Debian package" },
		{ "layer warm\n", "the profile has no layer \"warm\"" },
		{ "link /a\n", "write it as: link PATH TARGET" },
		{ "users x\n", "write it as: users" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct manifest m;

		assert_true(read_distro(good_profile, cases[i].slice, &m, &err) < 0);
		assert_contains(err.msg, cases[i].message);
	}
}

static void what_a_profile_lacks_is_named(void **state)
{
	static const struct {
		const char *profile, *message;
	} cases[] = {
		{ "version-from a\nlayer b 1\n", "needs either \"kernel PACKAGE\" or \"kernel-source PACKAGE\"" },
		{ "kernel k\nlayer b 1\n", "has no line \"version-from PACKAGE\"" },
		{ "kernel k\nversion-from a\n", "has no line \"layer NAME FILE" },
		{ "kernel k\nkernel k\n", "p:2: \"kernel\" is given twice" },
		{ "initrd-pack rm -rf\n", "initrd-pack knows xz and zstd, not \"rm\"" },
		{ "slices ../etc\n", "\"../etc\" is not a plain name" },
		{ "layer base ../10\n", "\"../10\" is not a plain name" },
		{ "modules base m\n", "the profile has no layer \"base\"" },
		{ "layer b 1\nslices-in more m\n", "the profile has no layer \"more\"" },
		{ "extension e 1\nlayer b 1\n", "write the layers before the extensions" },
		{ "kernel k\nversion-from a\nextension e 1\n", "has no line \"layer NAME FILE" },
		{ "kernel k\nversion-from a\nlayer b 1\nslices gone\n", "gone.slice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct manifest m;

		assert_true(read_distro(cases[i].profile, "", &m, &err) < 0);
		assert_contains(err.msg, cases[i].message);
	}
}

static void a_manifest_with_a_nul_byte_is_refused(void **state)
{
	struct manifest m = { .layer_count = 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(manifest_read_slice_text(&m, "x", "a\0b", 3, &err), -EINVAL);
	assert_contains(err.msg, "NUL byte");
}

static void patterns_match_within_a_component_and_double_stars_across(void **state)
{
	(void)state;
	assert_true(glob_match("/usr/bin/docker", "/usr/bin/docker"));
	assert_false(glob_match("/usr/bin/docker", "/usr/bin/docker-proxy"));
	assert_true(glob_match("/usr/lib/*.so*", "/usr/lib/libx.so.1"));
	assert_false(glob_match("/usr/*.so", "/usr/lib/libx.so"));
	assert_true(glob_match("/usr/**/*.so", "/usr/lib/a/libx.so"));
	assert_true(glob_match("/usr/share/**", "/usr/share/a/b/c"));
	assert_false(glob_match("/usr/share/**", "/usr/lib/a"));
	assert_true(glob_match("/[ab]/?", "/a/x"));
}

static void a_template_replaces_its_marks_and_nothing_else(void **state)
{
	const struct template_value values[] = { { "@VERSION@", "26.1.5" }, { "@DATE@", "" }, { NULL } };
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	template_fill("v@VERSION@ @DATE@@OTHER@ a@b @VERSION@", values, &out);
	assert_string_equal(buf_str(&out), "v26.1.5 @OTHER@ a@b 26.1.5");
}

static const char people[] = "group root 0\ngroup docker 998 dock\nuser root 0 root /root /bin/sh * root\n"
			     "user dock 1000 docker /home/dock /bin/bash $6$x$y Dock Er\nsubids dock 165536 65536\n";

static const char *text_of(struct node *root, const char *path)
{
	struct error err = ERROR_INIT;
	struct node *node;

	assert_ok(tree_lookup(root, path, true, &node, &err), &err);
	return (const char *)node->blob->data;
}

static void the_table_of_people_becomes_six_files(void **state)
{
	cleanup_tree struct node *root = tree_new();
	struct error err = ERROR_INIT;
	struct users *u = NULL;
	struct node *shadow;
	uid_t uid;

	(void)state;
	assert_ok(users_read_text("people", people, strlen(people), &u, &err), &err);
	assert_ok(users_write(u, root, 0, 86400 * 20000, &err), &err);
	assert_string_equal(text_of(root, "/etc/passwd"),
			    "root:x:0:0:root:/root:/bin/sh\ndock:x:1000:998:Dock Er:/home/dock:/bin/bash\n");
	assert_string_equal(text_of(root, "/etc/group"), "root:x:0:\ndocker:x:998:dock\n");
	assert_string_equal(text_of(root, "/etc/shadow"), "root:*::0:99999:7:::\ndock:$6$x$y::0:99999:7:::\n");
	assert_string_equal(text_of(root, "/etc/subuid"), "dock:165536:65536\n");
	assert_ok(tree_lookup(root, "/etc/shadow", true, &shadow, &err), &err);
	assert_int_equal(shadow->mode, 0600);
	assert_ok(users_uid(u, "dock", &uid, &err), &err);
	assert_int_equal(uid, 1000);
	assert_int_equal(users_uid(u, "eve", &uid, &err), -ENOENT);
	users_free(u);
}

static void people_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "user a 1 nobody / /bin/sh *\n", "group nobody is not defined above" },
		{ "group a 1\ngroup b 1\n", "group a (1) is already there" },
		{ "group a 1 ghost\n", "group a has the member ghost, who is no user" },
		{ "group a 1\nuser a:b 1 a / /bin/sh *\n", "a colon cannot stand" },
		{ "group a x\n", "x" },
		{ "subids a 1 1\n", "user a is not defined above" },
		{ "wheel a\n", "unknown statement \"wheel\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct users *u;

		assert_true(users_read_text("people", cases[i].text, strlen(cases[i].text), &u, &err) < 0);
		assert_contains(err.msg, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_suite_can_have_slices_of_its_own),
		cmocka_unit_test(a_profile_names_all_that_the_image_is_made_of),
		cmocka_unit_test(what_a_slice_gets_wrong_is_named_with_file_and_line),
		cmocka_unit_test(what_a_profile_lacks_is_named),
		cmocka_unit_test(a_manifest_with_a_nul_byte_is_refused),
		cmocka_unit_test(patterns_match_within_a_component_and_double_stars_across),
		cmocka_unit_test(a_template_replaces_its_marks_and_nothing_else),
		cmocka_unit_test(the_table_of_people_becomes_six_files),
		cmocka_unit_test(people_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
