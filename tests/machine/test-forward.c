// SPDX-License-Identifier: Apache-2.0
// Which ports containers publish, as the engine tells, and which QEMU forwards, as its monitor prints.
#include "../unit/test.h"

#include "lib/json.h"
#include "machine/qemu/forward.h"

static void expect(const struct forwards *f, const struct forward *expected, size_t count)
{
	assert_int_equal(f->count, count);
	for (size_t i = 0; i < count; i++)
		assert_true(forwards_has(f, expected[i]));
}

static void from_text(const char *text, struct forwards *ret)
{
	cleanup_json json_t *containers = NULL;
	struct error err = ERROR_INIT;

	assert_ok(json_read_text(text, strlen(text), "test", &containers, &err), &err);
	forwards_from_containers(containers, ret);
}

static void test_published_ports_of_all_containers(void **state)
{
	static const struct forward expected[] = { { false, 8080 }, { true, 53 }, { false, 9000 } };
	cleanup_forwards struct forwards f = { 0 };

	(void)state;
	from_text("[{\"Ports\": [{\"IP\": \"0.0.0.0\", \"PublicPort\": 8080, \"Type\": \"tcp\"},"
		  "{\"IP\": \"::\", \"PublicPort\": 8080, \"Type\": \"tcp\"},"
		  "{\"IP\": \"0.0.0.0\", \"PublicPort\": 53, \"Type\": \"udp\"},"
		  "{\"PrivatePort\": 443, \"Type\": \"tcp\"}]},"
		  "{\"Ports\": [{\"IP\": \"10.0.2.15\", \"PublicPort\": 9000, \"Type\": \"tcp\"},"
		  "{\"IP\": \"127.0.0.1\", \"PublicPort\": 9001, \"Type\": \"tcp\"},"
		  "{\"IP\": \"::1\", \"PublicPort\": 9002, \"Type\": \"tcp\"},"
		  "{\"IP\": \"0.0.0.0\", \"PublicPort\": 9003, \"Type\": \"sctp\"}]}]",
		  &f);
	expect(&f, expected, ARRAY_SIZE(expected));
}

static void test_what_is_not_a_list_of_containers_has_no_ports(void **state)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"[1, null, \"x\", [], {}]",
		"[{\"Ports\": null}, {\"Ports\": 5}, {\"Ports\": {\"a\": 1}}, {\"Ports\": [1, null, []]}]",
		"[{\"Ports\": [{\"PublicPort\": \"80\", \"Type\": \"tcp\"}, {\"PublicPort\": 70000, \"Type\": \"tcp\"},"
		"{\"PublicPort\": -1, \"Type\": \"tcp\"}, {\"PublicPort\": 80, \"Type\": 1}, {\"PublicPort\": 0, "
		"\"Type\": \"tcp\"}]}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_forwards struct forwards f = { 0 };
		from_text(texts[i], &f);
		assert_int_equal(f.count, 0);
	}
}

static void test_forwards_of_the_user_network(void **state)
{
	static const char text[] =
		"Hub -1 (nat):\r\n"
		"  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
		"  TCP[ESTABLISHED]   22       127.0.0.1 40000       10.0.2.15  8080     0     0\r\n"
		"  TCP[HOST_FORWARD]  13       127.0.0.1  8080       10.0.2.15  8080     0     0\r\n"
		"  TCP[HOST_FORWARD]  14               *  8081       10.0.2.15  8081     0     0\r\n"
		"  UDP[236 sec]       15       10.0.2.15 33000        10.0.2.3    53     0     0\r\n"
		"  UDP[HOST_FORWARD]  16       127.0.0.1    53       10.0.2.15    53     0     0\r\n";
	static const struct forward expected[] = { { false, 8080 }, { true, 53 } };
	cleanup_forwards struct forwards f = { 0 };

	(void)state;
	forwards_from_usernet(text, "127.0.0.1", &f);
	expect(&f, expected, ARRAY_SIZE(expected));
}

static void test_a_broken_table_has_no_forwards(void **state)
{
	cleanup_forwards struct forwards f = { 0 };

	(void)state;
	forwards_from_usernet("", "127.0.0.1", &f);
	forwards_from_usernet("TCP[HOST_FORWARD] 1 127.0.0.1", "127.0.0.1", &f);
	forwards_from_usernet("TCP[HOST_FORWARD] 1 127.0.0.1 99999 10.0.2.15 1\n", "127.0.0.1", &f);
	forwards_from_usernet("TCP[HOST_FORWARD] 1 127.0.0.1 80x 10.0.2.15 1\n", "127.0.0.1", &f);
	assert_int_equal(f.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_ports_of_all_containers),
		cmocka_unit_test(test_what_is_not_a_list_of_containers_has_no_ports),
		cmocka_unit_test(test_forwards_of_the_user_network),
		cmocka_unit_test(test_a_broken_table_has_no_forwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
