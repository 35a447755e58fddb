// SPDX-License-Identifier: Apache-2.0
// Unit tests of the modules that work on text and bytes alone: error, buf, strv, number, cursor, path.
#include "test.h"

#include "lib/buf.h"
#include "lib/cursor.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <errno.h>
#include <limits.h>

static void an_error_says_the_context_and_the_reason(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(error_set(&err, ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(err.msg, "open /x: No such file or directory");
	assert_int_equal(error_wrap(&err, "reading %s", "a.deb"), -ENOENT);
	assert_string_equal(err.msg, "reading a.deb: open /x: No such file or directory");
	assert_int_equal(error_say(&err, -EINVAL, "%s", err.msg), -EINVAL);
	assert_string_equal(err.msg, "reading a.deb: open /x: No such file or directory");
	assert_int_equal(error_set(NULL, EIO, "nobody listens"), -EIO);
}

static void an_error_keeps_the_reason_of_a_very_long_context(void **state)
{
	struct error err = ERROR_INIT;
	char context[3000];

	(void)state;
	memset(context, 'c', sizeof(context) - 1);
	context[sizeof(context) - 1] = '\0';
	error_set(&err, ENOSPC, "%s", context);
	assert_contains(err.msg, "No space left on device");
	error_wrap(&err, "%s", context);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void a_buf_grows_and_stays_terminated(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, 3890);
	assert_int_equal(b.data[b.len], 0);
	buf_clear(&b);
	buf_puts(&b, "line \n\n");
	buf_trim_end(&b);
	assert_string_equal(buf_str(&b), "line");
	char *s = buf_steal(&b);
	assert_string_equal(s, "line");
	free(s);
	assert_int_equal(b.len, 0);
	s = buf_steal(&b);
	assert_string_equal(s, "");
	free(s);
}

static void a_strv_splits_sorts_and_finds(void **state)
{
	cleanup_strv struct strv v = STRV_INIT;

	(void)state;
	assert_null(strv_argv(&v)[0]);
	strv_split(&v, ",c,,b a,", ", ");
	assert_int_equal(v.count, 3);
	strv_sort(&v);
	assert_string_equal(v.items[0], "a");
	assert_string_equal(v.items[2], "c");
	assert_null(strv_argv(&v)[3]);
	assert_true(strv_contains(&v, "b"));
	assert_false(strv_contains(&v, "d"));
	strv_pushf(&v, "%s=%d", "x", 1);
	assert_string_equal(v.items[3], "x=1");
}

static void numbers_are_whole_and_within_bounds(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "0x10", "1e3", "-", "+", "--1", "1.5", "99999999999999999999"
	};
	struct error err = ERROR_INIT;
	uint64_t u = 7;
	int64_t s = 7;
	int n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(number_parse_u64(bad[i], 0, UINT64_MAX, &u, &err) < 0);
		assert_true(number_parse_i64(bad[i], INT64_MIN, INT64_MAX, &s, &err) < 0);
	}
	assert_int_equal(u, 7); // untouched on failure
	assert_int_equal(s, 7);
	assert_ok(number_parse_u64("18446744073709551615", 0, UINT64_MAX, &u, &err), &err);
	assert_true(u == UINT64_MAX);
	assert_ok(number_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &s, &err), &err);
	assert_true(s == INT64_MIN);
	assert_int_equal(number_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &s, &err), -ERANGE);
	assert_int_equal(number_parse_int("65536", 1, 65535, &n, &err), -ERANGE);
	assert_string_equal(err.msg, "65536 is not within 1 to 65535");
	assert_ok(number_parse_octal("0755", 07777, &u, &err), &err);
	assert_int_equal(u, 0755);
	assert_int_equal(number_parse_octal("888", 07777, &u, &err), -EINVAL);
	assert_int_equal(number_parse_octal("10000", 07777, &u, &err), -ERANGE);
}

static void decimal_fractions_are_numbers(void **state)
{
	static const char *const wrong[] = {
		"", "x", "1x", " 1", "nan", "inf", "0x10", "1e", "e5", ".", "1.2.3", "--1"
	};
	struct error err = ERROR_INIT;
	double number = 0;

	(void)state;
	assert_ok(number_parse_double("1.5", &number, &err), &err);
	assert_true(number == 1.5);
	assert_ok(number_parse_double("-2e3", &number, &err), &err);
	assert_true(number == -2000);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(number_parse_double(wrong[i], &number, &err), -EINVAL);
	assert_int_equal(number_parse_double("1e999", &number, &err), -ERANGE);
	assert_true(number == -2000);
}

static void a_cursor_never_reads_past_the_end(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct cursor c;

	(void)state;
	cursor_init(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_le16(&c), 0x0302);
	assert_int_equal(cursor_be32(&c), 0x04050607);
	assert_false(c.failed);
	assert_int_equal(cursor_le32(&c), 0);
	assert_true(c.failed);
	// Once failed it stays failed: what follows a hole in foreign bytes means nothing.
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_bytes(&c, 1));
	cursor_init(&c, bytes, sizeof(bytes));
	cursor_skip(&c, 9);
	assert_false(c.failed);
	assert_non_null(cursor_bytes(&c, 0));
	cursor_skip(&c, SIZE_MAX);
	assert_true(c.failed);
}

static void check_dir(const char *path, const char *expected)
{
	cleanup_free char *dir = path_dir(path);

	assert_string_equal(dir, expected);
}

static void check_join(const char *dir, const char *name, const char *expected)
{
	cleanup_free char *path = path_join(dir, name);

	assert_string_equal(path, expected);
}

static void paths_are_joined_and_taken_apart(void **state)
{
	(void)state;
	check_join("/a", "b", "/a/b");
	check_join("/a/", "/b", "/a/b");
	check_join("/", "b", "/b");
	check_join("", "b", "b");
	check_dir("/a/b", "/a");
	check_dir("/a", "/");
	check_dir("a", ".");
	check_dir("/a//b", "/a");
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
}

static void a_path_that_leaves_its_root_is_not_safe(void **state)
{
	static const char *const bad[] = { "", "/", "/etc", "..", "a/..", "../a", "a/../b", "a//..//b" };
	static const char *const good[] = { "a", "a/b", "..a", "a..", "a/..b", ".", "./a", ".ssh/authorized_keys" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(path_is_safe_relative(bad[i]));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(path_is_safe_relative(good[i]));
	assert_true(path_is_component("a.b"));
	assert_false(path_is_component(""));
	assert_false(path_is_component(".."));
	assert_false(path_is_component("a/b"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_says_the_context_and_the_reason),
		cmocka_unit_test(an_error_keeps_the_reason_of_a_very_long_context),
		cmocka_unit_test(a_buf_grows_and_stays_terminated),
		cmocka_unit_test(a_strv_splits_sorts_and_finds),
		cmocka_unit_test(numbers_are_whole_and_within_bounds),
		cmocka_unit_test(decimal_fractions_are_numbers),
		cmocka_unit_test(a_cursor_never_reads_past_the_end),
		cmocka_unit_test(paths_are_joined_and_taken_apart),
		cmocka_unit_test(a_path_that_leaves_its_root_is_not_safe),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
