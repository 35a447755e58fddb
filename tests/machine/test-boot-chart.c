// SPDX-License-Identifier: Apache-2.0
// The boot's timeline as the guest tells it, the chain of waits in it, and its picture.
#include "../unit/test.h"

#include "machine/boot-chart/chart.h"
#include "machine/boot-chart/svg.h"

#include <errno.h>

// Two ways lead to the engine: the disk takes longer than the network. Rows stand in the order in which they end.
static const char good[] =
	"[{\"kind\": \"kernel\", \"name\": \"kernel\", \"start\": 0, \"end\": 2.5, \"ok\": true, \"after\": []},"
	"{\"kind\": \"step\", \"name\": \"mounts\", \"start\": 2.5, \"end\": 3, \"ok\": true, \"after\": []},"
	"{\"kind\": \"step\", \"name\": \"network\", \"start\": 3, \"end\": 3.2, \"ok\": true, \"after\": "
	"[\"mounts\"]},"
	"{\"kind\": \"step\", \"name\": \"disk\", \"start\": 3, \"end\": 5, \"ok\": true, \"after\": [\"mounts\"]},"
	"{\"kind\": \"service\", \"name\": \"docker\", \"start\": 5.25, \"end\": null, \"ok\": true, \"after\": "
	"[\"network\", \"disk\", \"nothing\"]},"
	"{\"kind\": \"step\", \"name\": \"zero\", \"start\": 5.25, \"end\": 5.25, \"ok\": true, \"after\": [\"disk\"]},"
	"{\"kind\": \"mark\", \"name\": \"engine-answers\", \"start\": 12, \"end\": null, \"ok\": true, \"after\": "
	"[\"docker\"]},"
	"{\"kind\": \"step\", \"name\": \"script\", \"start\": 12, \"end\": 900, \"ok\": false, \"after\": "
	"[\"engine-answers\"]},"
	"{\"kind\": \"service\", \"name\": \"docker\", \"start\": 950, \"end\": null, \"ok\": true, \"after\": []}]";

static void read_good(double firmware, struct boot *ret)
{
	struct error err = ERROR_INIT;

	assert_ok(boot_read(good, strlen(good), firmware, ret, &err), &err);
}

static void test_the_engine_waits_for_the_slower_way(void **state)
{
	static const char *const critical[] = {
		"QEMU, firmware", "kernel", "mounts", "disk", "docker", "engine-answers"
	};
	cleanup_boot struct boot b = { .rows = NULL };
	size_t found = 0;

	(void)state;
	read_good(1.5, &b);
	assert_int_equal(b.count, 9);
	for (size_t i = 0; i < b.count; i++) {
		if (!b.rows[i].is_critical)
			continue;
		assert_true(found < ARRAY_SIZE(critical));
		assert_string_equal(b.rows[i].name, critical[found++]);
	}
	assert_int_equal(found, ARRAY_SIZE(critical));
}

static void test_the_summary_names_what_took_longest(void **state)
{
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_boot struct boot without = { .rows = NULL };
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	read_good(1.5, &b);
	boot_summary(&b, &text);
	assert_string_equal(text.data,
			    "the engine answered after 13.50 s; of that engine-answers 6.75 s, kernel 2.50 s, disk "
			    "2.00 s, QEMU, firmware 1.50 s");
	buf_clear(&text);
	read_good(0, &without);
	boot_summary(&without, &text);
	assert_contains(text.data, "the engine answered after 12.00 s; of that engine-answers 6.75 s, kernel");
}

static void test_the_picture_has_every_row(void **state)
{
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_buf struct buf svg = BUF_INIT;

	(void)state;
	read_good(1.5, &b);
	boot_chart(&b, "default", &svg);
	assert_contains(svg.data, ">Boot of default</text>");
	for (size_t i = 0; i < b.count; i++)
		assert_contains(svg.data, b.rows[i].name);
	assert_contains(svg.data, "<title>disk: 3.000 s to 5.000 s, after mounts</title>");
	assert_contains(svg.data, " x=\"1015.0\" y=\"254.0\">888.00 s FAILED</text>");
	assert_contains(svg.data, ">from 5.25 s</text>");
	// What takes no time can still be seen, and what takes long ends at the right edge of the plot.
	assert_contains(svg.data, "width=\"2.0\" height=\"12.0\"");
	assert_contains(svg.data, "<rect class=\"failed\"");
}

static void test_a_boot_without_an_answer_has_no_chain(void **state)
{
	static const char text[] = "[{\"kind\": \"kernel\", \"name\": \"kernel\", \"start\": 0, \"end\": 0}]";
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_buf struct buf summary = BUF_INIT;
	cleanup_buf struct buf svg = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(boot_read(text, strlen(text), 0, &b, &err), &err);
	assert_false(b.rows[0].is_critical);
	boot_summary(&b, &summary);
	assert_string_equal(summary.data, "the engine has not answered");
	boot_chart(&b, "m", &svg);
	assert_contains(svg.data, "the engine has not answered");
	assert_null(strstr(svg.data, "nan"));
}

static void test_a_circle_ends(void **state)
{
	static const char text[] =
		"[{\"kind\":\"mark\",\"name\":\"engine-answers\",\"start\":2,\"end\":null,\"after\":[\"b\"]},"
		"{\"kind\":\"step\",\"name\":\"b\",\"start\":1,\"end\":9,\"after\":[\"engine-answers\", 5, \"b\"]}]";
	cleanup_boot struct boot b = { .rows = NULL };
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(boot_read(text, strlen(text), 0, &b, &err), &err);
	assert_true(b.rows[0].is_critical && b.rows[1].is_critical);
}

static void test_hostile_names_are_harmless(void **state)
{
	static const char text[] = "[{\"kind\":\"step\",\"name\":\"</text><script>\\\"&'\",\"start\":0,\"end\":1,"
				   "\"after\":[\"<b>\"]},"
				   "{\"kind\":\"step\",\"name\":\"\\u001b[31m\\u009b\\n\",\"start\":0,\"end\":1}]";
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_buf struct buf svg = BUF_INIT;
	cleanup_buf struct buf escaped = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(boot_read(text, strlen(text), 0, &b, &err), &err);
	boot_chart(&b, "a<b", &svg);
	assert_null(strstr(svg.data, "<script"));
	assert_null(strstr(svg.data, "<b>"));
	assert_null(strchr(svg.data, '\033'));
	assert_contains(svg.data, "&lt;/text&gt;&lt;script&gt;&quot;&amp;&#39;");
	assert_contains(svg.data, "Boot of a&lt;b");
	assert_contains(svg.data, "?[31m???");
	svg_escape(&escaped, "\xc3\xa4\xef\xbf\xbf\xef\xbf\xbd\x01");
	assert_string_equal(escaped.data, "\xc3\xa4?\xef\xbf\xbd?");
}

static void test_what_is_no_timeline_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"[1]",
		"[{\"kind\":\"step\",\"start\":0,\"end\":1}]",
		"[{\"kind\":\"firmware\",\"name\":\"a\",\"start\":0,\"end\":1}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"end\":1}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"start\":0}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"start\":2,\"end\":1}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"start\":-1,\"end\":1}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"start\":0,\"end\":1e300}]",
		"[{\"kind\":\"step\",\"name\":\"a\",\"start\":\"0\",\"end\":1}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct boot b = { .rows = NULL };
		struct error err = ERROR_INIT;
		assert_true(boot_read(texts[i], strlen(texts[i]), 0, &b, &err) < 0);
		assert_contains(err.msg, "the boot's timeline");
	}
}

static void test_more_rows_than_a_boot_has(void **state)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct boot b = { .rows = NULL };
	struct error err = ERROR_INIT;

	(void)state;
	for (int i = 0; i < 501; i++)
		buf_printf(&text, "%s{\"kind\":\"step\",\"name\":\"s%d\",\"start\":%d,\"end\":%d}", i ? "," : "[", i, i,
			   i + 1);
	buf_putc(&text, ']');
	assert_int_equal(boot_read(text.data, text.len, 0, &b, &err), -EBADMSG);
	assert_contains(err.msg, "more than 500 rows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_engine_waits_for_the_slower_way),
		cmocka_unit_test(test_the_summary_names_what_took_longest),
		cmocka_unit_test(test_the_picture_has_every_row),
		cmocka_unit_test(test_a_boot_without_an_answer_has_no_chain),
		cmocka_unit_test(test_a_circle_ends),
		cmocka_unit_test(test_hostile_names_are_harmless),
		cmocka_unit_test(test_what_is_no_timeline_is_refused),
		cmocka_unit_test(test_more_rows_than_a_boot_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
