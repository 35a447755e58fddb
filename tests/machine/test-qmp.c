// SPDX-License-Identifier: Apache-2.0
// The QMP client against a peer that behaves, and against those that do not.
#include "../unit/test.h"

#include "lib/clock.h"
#include "lib/json.h"
#include "machine/qmp.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define OK "{\"return\": {}, \"id\": \"b2d\"}\r\n"
enum { SHORT_MS = 300 };

// A peer that has said all of `script` already. With `then_close` the stream ends after it. Returns our end.
static int peer(const char *script, size_t len, bool then_close, int *ret_other)
{
	int ends[2];
	int size = 8 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (len)
		assert_true(write(ends[1], script, len) > 0);
	*ret_other = ends[1];
	if (then_close)
		shutdown(ends[1], SHUT_WR);
	return ends[0];
}

static int open_with(const char *script, bool then_close, struct error *err)
{
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_close int other = -1;
	int fd = peer(script, strlen(script), then_close, &other);

	return qmp_open_fd(&q, fd, SHORT_MS, err);
}

static void test_greets_and_asks(void **state)
{
	static const char script[] = GREETING OK "{\"event\": \"RTC_CHANGE\", \"data\": {}}\n"
						 "{\"return\": {\"status\": \"running\"}, \"id\": \"b2d\"}\n";
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_close int other = -1;
	cleanup_json json_t *answer = NULL;
	struct error err = ERROR_INIT;
	char sent[256] = "";

	(void)state;
	assert_ok(qmp_open_fd(&q, peer(script, strlen(script), false, &other), SHORT_MS, &err), &err);
	assert_ok(qmp_execute(&q, "query-status", SHORT_MS, &answer, &err), &err);
	assert_string_equal(json_str_at(answer, "status", ""), "running");
	assert_true(read(other, sent, sizeof(sent) - 1) > 0);
	assert_string_equal(sent, "{\"execute\":\"qmp_capabilities\",\"id\":\"b2d\"}\n"
				  "{\"execute\":\"query-status\",\"id\":\"b2d\"}\n");
}

static void test_silence_ends_at_the_deadline(void **state)
{
	struct error err = ERROR_INIT;
	int64_t started = clock_ms();

	(void)state;
	assert_int_equal(open_with("", false, &err), -ETIMEDOUT);
	assert_int_equal(open_with("{\"QMP\": ", false, &err), -ETIMEDOUT);
	assert_int_equal(open_with(GREETING, false, &err), -ETIMEDOUT);
	assert_in_range(clock_ms() - started, 3 * SHORT_MS - 5, 3 * SHORT_MS + 2000);
}

static void test_what_is_not_qmp_is_refused(void **state)
{
	static const char *const scripts[] = {
		"220 mail.example ESMTP\r\n",
		"[]\n",
		"\"QMP\"\n",
		"{}\n",
		"{\"QMP\": 1}\n",
		"\n",
		"\0\n",
		"{\"return\": {}}\n",
		"{\"QMP\": {}, \"QMP\": {}}\n",
		"\xff\xfe\n",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct error err = ERROR_INIT;
		cleanup_qmp struct qmp q = QMP_INIT;
		cleanup_close int other = -1;
		// One with a NUL has its newline after it.
		size_t len = strlen(scripts[i]) ? strlen(scripts[i]) : 2;
		assert_int_equal(qmp_open_fd(&q, peer(scripts[i], len, false, &other), SHORT_MS, &err), -EPROTO);
		assert_true(err.msg[0]);
	}
}

static void test_an_answer_to_another_question_is_refused(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(open_with(GREETING "{\"return\": {}, \"id\": \"other\"}\n", false, &err), -EPROTO);
	assert_int_equal(open_with(GREETING "{\"return\": {}}\n", false, &err), -EPROTO);
	assert_int_equal(open_with(GREETING "{\"return\": {}, \"id\": 7}\n", false, &err), -EPROTO);
}

static void test_an_error_of_qemu_is_told(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(
		open_with(GREETING "{\"error\": {\"desc\": \"no such thing\"}, \"id\": \"b2d\"}\n", false, &err),
		-EPROTO);
	assert_contains(err.msg, "no such thing");
	assert_int_equal(open_with(GREETING "{\"error\": {\"desc\": []}, \"id\": \"b2d\"}\n", false, &err), -EPROTO);
}

static void test_the_end_of_the_stream_is_told(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(open_with("", true, &err), -ECONNRESET);
	assert_int_equal(open_with(GREETING OK "{\"ret", true, &err), 0);
	assert_int_equal(open_with(GREETING, true, &err), -ECONNRESET);
}

// Writes `line` until the other side hangs up.
static void *flood(void *arg)
{
	const char *line = ((const char **)arg)[1];
	int fd = *((int **)arg)[0];

	while (send(fd, line, strlen(line), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static int open_under_flood(const char *line, struct error *err)
{
	struct qmp q = QMP_INIT;
	pthread_t thread;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	void *arg[] = { &ends[1], (void *)line };
	pthread_create(&thread, NULL, flood, arg);
	int r = qmp_open_fd(&q, ends[0], SHORT_MS, err);
	qmp_close(&q);
	pthread_join(thread, NULL);
	close(ends[1]);
	return r;
}

static void test_a_line_without_end_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	char line[64 << 10];

	(void)state;
	memset(line, '{', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(open_under_flood(line, &err), -EPROTO);
	assert_contains(err.msg, "without end");
}

static void test_a_flood_of_events_does_not_extend_the_deadline(void **state)
{
	struct error err = ERROR_INIT;
	int64_t started = clock_ms();

	(void)state;
	assert_int_equal(open_under_flood("{\"event\": \"BLOCK_JOB\"}\n", &err), -ETIMEDOUT);
	assert_true(clock_ms() - started < 10 * 1000);
}

static void test_deep_nesting_is_refused(void **state)
{
	struct buf script = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_putc(&script, '[');
	buf_putc(&script, '\n');
	assert_int_equal(open_with(script.data, false, &err), -EPROTO);
	buf_done(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greets_and_asks),
		cmocka_unit_test(test_silence_ends_at_the_deadline),
		cmocka_unit_test(test_what_is_not_qmp_is_refused),
		cmocka_unit_test(test_an_answer_to_another_question_is_refused),
		cmocka_unit_test(test_an_error_of_qemu_is_told),
		cmocka_unit_test(test_the_end_of_the_stream_is_told),
		cmocka_unit_test(test_a_line_without_end_is_refused),
		cmocka_unit_test(test_a_flood_of_events_does_not_extend_the_deadline),
		cmocka_unit_test(test_deep_nesting_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
