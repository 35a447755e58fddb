// SPDX-License-Identifier: Apache-2.0
// The cache of templates: how many are kept, which cannot be made, and who may have a hand in it.
#include "../unit/test.h"

#include "lib/file.h"
#include "lib/path.h"
#include "machine/context.h"
#include "machine/system.h"
#include "machine/templates.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define IMAGE "0123456789abcdef0123456789abcdef"

static struct context ctx;

static int make_store(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	ctx = (struct context){ .program = "boot2docker", .storage_path = test_folder() };
	cleanup_free char *systems = system_cache(&ctx);
	cleanup_free char *image = path_join(systems, IMAGE);
	assert_ok(file_mkdirs(image, 0700, &err), &err);
	return 0;
}

static int remove_store(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_remove_tree(ctx.storage_path, &err), &err);
	free(ctx.storage_path);
	return 0;
}

// A template's folder that was made that many seconds ago.
static char *add(const char *image, const char *kind, time_t age)
{
	const struct timespec times[2] = { { .tv_sec = time(NULL) - age }, { .tv_sec = time(NULL) - age } };
	char *folder = templates_folder(&ctx, image, kind);
	struct error err = ERROR_INIT;

	assert_ok(file_mkdirs(folder, 0700, &err), &err);
	assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
	return folder;
}

static void few_are_kept(void **state)
{
	cleanup_free char *newest = add(IMAGE, "a", 10), *oldest = add(IMAGE, "b", 400), *middle = add(IMAGE, "c", 200);
	cleanup_free char *stale = add("ffffffffffffffffffffffffffffffff", "d", 1),
			  *unfinished = templates_unfinished(&ctx);
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_mkdirs(unfinished, 0700, &err), &err);
	assert_ok(templates_make_room(&ctx, &err), &err);
	assert_false(file_exists(stale)); // its image is gone
	assert_true(file_exists(oldest)); // there is room for one more than these three
	cleanup_free char *fourth = add(IMAGE, "e", 300);
	assert_ok(templates_make_room(&ctx, &err), &err);
	assert_false(file_exists(oldest));
	assert_true(file_exists(newest) && file_exists(middle) && file_exists(fourth) && file_exists(unfinished));
}

static void a_failure_is_remembered_for_a_day(void **state)
{
	cleanup_free char *bad = templates_folder(&ctx, IMAGE, "bad"), *good = templates_folder(&ctx, IMAGE, "good");
	cleanup_free char *note = path_join(ctx.storage_path, "cache/templates.failed");
	struct timespec times[2] = { { .tv_sec = time(NULL) - 25 * 3600 }, { .tv_sec = time(NULL) - 25 * 3600 } };

	(void)state;
	assert_false(templates_has_failed(&ctx, bad));
	templates_note_failure(&ctx, bad);
	assert_true(templates_has_failed(&ctx, bad));
	assert_false(templates_has_failed(&ctx, good));
	assert_int_equal(utimensat(AT_FDCWD, note, times, 0), 0);
	assert_false(templates_has_failed(&ctx, bad));
}

static void one_has_the_lock(void **state)
{
	cleanup_close int first = -1, second = -1;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(templates_lock(&ctx, true, &first, &err), &err);
	assert_int_equal(templates_lock(&ctx, false, &second, &err), -EWOULDBLOCK);
	assert_int_equal(second, -1);
	close(take_fd(&first));
	error_clear(&err);
	assert_ok(templates_lock(&ctx, false, &second, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(few_are_kept, make_store, remove_store),
		cmocka_unit_test_setup_teardown(a_failure_is_remembered_for_a_day, make_store, remove_store),
		cmocka_unit_test_setup_teardown(one_has_the_lock, make_store, remove_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
