// SPDX-License-Identifier: Apache-2.0
// Unit tests of QEMU's guest agent: a host on the other end of a socket, and a system that only notes what is done to it.
#include "../unit/test.h"

#include "hypervisor.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/version.h"
#include "qemu_agent.h"
#include "qemu_agent_freeze.h"
#include "qemu_agent_reader.h"
#include "root-folder.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

static struct buf done; // what was done to the system
static int freeze_error; // of the next freeze of /mnt/vda1

static int control(const char *request, struct buf *ret, struct error *e)
{
	(void)ret;
	(void)e;
	buf_printf(&done, "control %s\n", request);
	return 0;
}

static int set_clock(int64_t ns, struct error *e)
{
	(void)e;
	buf_printf(&done, "clock %lld\n", (long long)ns);
	return 0;
}

static int freeze(const char *place, bool frozen, struct error *e)
{
	if (frozen && freeze_error && strcmp(place, "/mnt/vda1") == 0)
		return error_set(e, freeze_error, "freeze %s", place);
	buf_printf(&done, "%s %s\n", frozen ? "freeze" : "thaw", place);
	return 0;
}

static const struct agent_system fake = { .control = control, .set_clock = set_clock, .freeze = freeze };
static struct guest guest;
static struct agent agent;

static int start(void **state)
{
	make_root(state);
	guest = (struct guest){ .root = root };
	agent = (struct agent){ .guest = &guest, .system = &fake };
	freeze_error = 0;
	put_file("proc/self/mountinfo", "20 1 0:18 / / rw - overlay overlay rw\n"
					"21 20 254:1 / /mnt/vda1 rw,relatime - ext4 /dev/vda1 rw\n"
					"22 20 254:1 /var/lib/docker /mnt/vda1/x rw master:1 - ext4 /dev/vda1 rw\n"
					"23 20 254:17 / /mnt/my\\040disk rw - btrfs /dev/vdb1 rw\n"
					"24 20 254:33 / /mnt/vdc1 ro - ext4 /dev/vdc1 ro\n"
					"25 20 7:0 / /lower rw - squashfs /dev/loop0 ro\n");
	put_file("etc/os-release", "ID=boot2docker\nNAME=\"Boot 2\"\nVERSION_ID=26.1\nHOME_URL=x\n");
	put_file("run/boot2docker/other", "");
	return 0;
}

static int end(void **state)
{
	strv_done(&agent.frozen);
	buf_done(&done);
	return remove_root(state);
}

static json_t *ask(const char *text)
{
	cleanup_buf struct buf answer = BUF_INIT;
	json_t *json;

	agent_answer(&agent, text, strlen(text), &answer);
	assert_true(answer.len > 0 && answer.data[answer.len - 1] == '\n');
	if (answer.data[0] == '\xff')
		answer.data[0] = ' ';
	assert_ok(json_read_text(answer.data, answer.len, "answer", &json, &err), &err);
	return json;
}

#define assert_answer(text, path, wanted)                                      \
	do {                                                                   \
		cleanup_json json_t *answer_ = ask(text);                      \
		assert_string_equal(json_str_at(answer_, path, ""), (wanted)); \
	} while (0)

// All that the reader finds: requests, one a line, and "?" for garbage.
static char *found_in(const char *bytes, size_t len)
{
	struct agent_reader reader = { .depth = 0 };
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		enum agent_read found = agent_reader_take(&reader, (uint8_t)bytes[i]);

		if (found == AGENT_REQUEST)
			buf_printf(&text, "%s\n", buf_str(&reader.text));
		else if (found == AGENT_GARBAGE)
			buf_puts(&text, "?\n");
	}
	agent_reader_done(&reader);
	return buf_steal(&text);
}

static void requests_are_found_in_a_stream(void **state)
{
	static const struct {
		const char *bytes, *found;
	} rows[] = {
		{ "{\"a\":1}\n", "{\"a\":1}\n" },
		{ " \r\n{\"a\":{}}{\"b\":[{}]}", "{\"a\":{}}\n{\"b\":[{}]}\n" },
		{ "{\"a\":\"}\\\"}\"}", "{\"a\":\"}\\\"}\"}\n" },
		{ "{\"half\":\xff{\"a\":1}", "{\"a\":1}\n" },
		{ "{\"half\":\"\xff{\"a\":1}", "{\"a\":1}\n" },
		{ "garbage {}\n{\"a\":1}", "?\n{\"a\":1}\n" },
		{ "garbage \xff{\"a\":1}", "{\"a\":1}\n" },
		{ "{\"a\":\"\n\"}\n{\"a\":1}", "?\n?\n{\"a\":1}\n" },
		{ "{\"a\":\n1\n}", "{\"a\":\n1\n}\n" },
		{ "{\"a\":", "" },
		{ "]\n", "?\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *found = found_in(rows[i].bytes, strlen(rows[i].bytes));

		assert_string_equal(found, rows[i].found);
	}
}

static void a_request_without_end_is_dropped(void **state)
{
	cleanup_buf struct buf bytes = BUF_INIT;
	cleanup_free char *found = NULL;

	(void)state;
	buf_puts(&bytes, "{\"a\":\"");
	for (int i = 0; i < 3 * AGENT_REQUEST_MAX; i++)
		buf_putc(&bytes, 'x');
	buf_puts(&bytes, "\"}\n{\"b\":2}");
	found = found_in(bytes.data, bytes.len);
	assert_string_equal(found, "?\n{\"b\":2}\n");
}

static void what_is_no_command_is_an_error_with_its_class(void **state)
{
	(void)state;
	assert_answer("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"sh\"}}", "error.class", "CommandNotFound");
	assert_answer("{\"execute\":\"guest-file-open\"}", "error.class", "CommandNotFound");
	assert_answer("{\"execute\":5}", "error.class", "GenericError");
	assert_answer("{\"execute\":\"guest-ping\",\"arguments\":[]}", "error.class", "GenericError");
	assert_answer("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":\"x\"}}", "error.class", "GenericError");
	assert_answer("{", "error.class", "GenericError");
	assert_answer("[{\"execute\":\"guest-ping\"}]", "error.class", "GenericError");
}

static void info_names_every_command_and_none_that_runs_programs(void **state)
{
	cleanup_json json_t *answer = ask("{\"execute\":\"guest-info\",\"id\":\"x\"}");
	json_t *list = json_at(answer, "return.supported_commands"), *row;
	size_t i;

	(void)state;
	assert_string_equal(json_str_at(answer, "id", ""), "x");
	assert_string_equal(json_str_at(answer, "return.version", ""), B2D_VERSION);
	assert_int_equal(json_array_size(list), 13);
	json_array_foreach(list, i, row)
	{
		cleanup_free char *request =
			xasprintf("{\"execute\":\"%s\",\"arguments\":7}", json_str_at(row, "name", ""));

		assert_null(strstr(request, "exec\""));
		assert_answer(request, "error.desc", "'arguments' is no object");
	}
}

static void the_system_is_described(void **state)
{
	cleanup_json json_t *os = ask("{\"execute\":\"guest-get-osinfo\"}");
	cleanup_json json_t *nets = ask("{\"execute\":\"guest-network-get-interfaces\"}");
	cleanup_json json_t *name = ask("{\"execute\":\"guest-get-host-name\"}");
	cleanup_json json_t *time_now = ask("{\"execute\":\"guest-get-time\"}");
	bool has_loopback = false;
	json_t *net, *address;
	size_t i, k;

	(void)state;
	assert_string_equal(json_str_at(os, "return.id", ""), "boot2docker");
	assert_string_equal(json_str_at(os, "return.name", ""), "Boot 2");
	assert_string_equal(json_str_at(os, "return.version-id", ""), "26.1");
	assert_true(*json_str_at(os, "return.kernel-release", ""));
	assert_true(*json_str_at(name, "return.host-name", ""));
	assert_true(llabs(json_int_at(time_now, "return", 0) / 1000000000 - time(NULL)) < 60);
	json_array_foreach(json_at(nets, "return"), i, net)
		json_array_foreach(json_at(net, "ip-addresses"), k,
				   address) if (strcmp(json_str_at(address, "ip-address", ""), "127.0.0.1") == 0)
			has_loopback = json_int_at(address, "prefix", 0) == 8 &&
				       strcmp(json_str_at(net, "name", ""), "lo") == 0;
	assert_true(has_loopback);
}

static void the_clock_is_set_to_a_time_or_the_hosts(void **state)
{
	(void)state;
	assert_answer("{\"execute\":\"guest-set-time\"}", "error.class", "GenericError"); // no RTC here
	put_file("sys/class/rtc/rtc0/since_epoch", "1900000001\n");
	assert_answer("{\"execute\":\"guest-set-time\"}", "error.class", "");
	assert_answer("{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":1234567890123456789}}", "error.class",
		      "");
	assert_answer("{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":-1}}", "error.class", "GenericError");
	assert_string_equal(buf_str(&done), "clock 1900000001000000000\nclock 1234567890123456789\n");
}

static void shutting_down_has_no_answer(void **state)
{
	static const char *const modes[][2] = { { "", "poweroff" },
						{ "\"mode\":\"powerdown\"", "poweroff" },
						{ "\"mode\":\"reboot\"", "reboot" },
						{ "\"mode\":\"halt\"", "halt" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		cleanup_free char *request =
			xasprintf("{\"execute\":\"guest-shutdown\",\"arguments\":{%s}}", modes[i][0]);
		cleanup_free char *wanted = xasprintf("control %s\n", modes[i][1]);
		cleanup_buf struct buf answer = BUF_INIT;

		agent_answer(&agent, request, strlen(request), &answer);
		assert_int_equal(answer.len, 0);
		assert_string_equal(buf_str(&done), wanted);
		buf_clear(&done);
	}
	assert_answer("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"x\"}}", "error.class", "GenericError");
	assert_string_equal(buf_str(&done), "");
}

#define FREEZE "{\"execute\":\"guest-fsfreeze-freeze\"}"
#define THAW "{\"execute\":\"guest-fsfreeze-thaw\"}"
#define STATUS "{\"execute\":\"guest-fsfreeze-status\"}"
#define FROZEN "freeze /mnt/my disk\nfreeze /mnt/vda1\n"
#define THAWED "thaw /mnt/vda1\nthaw /mnt/my disk\n"

static bool is_noted(void)
{
	cleanup_free char *path = xasprintf("%s/run/boot2docker/frozen", root);

	return file_exists(path);
}

static void each_writable_disk_is_frozen_once(void **state)
{
	cleanup_json json_t *frozen = ask(FREEZE), *thawed = NULL;

	(void)state;
	assert_int_equal(json_int_at(frozen, "return", -1), 2);
	assert_true(is_noted());
	assert_answer(STATUS, "return", "frozen");
	assert_answer(FREEZE, "error.class", "GenericError");
	assert_answer("{\"execute\":\"guest-shutdown\"}", "error.class", "GenericError");
	assert_answer("{\"execute\":\"guest-ping\"}", "error.class", "");
	thawed = ask(THAW);
	assert_int_equal(json_int_at(thawed, "return", -1), 2);
	assert_answer(STATUS, "return", "thawed");
	assert_string_equal(buf_str(&done), FROZEN THAWED);
	assert_false(is_noted());
}

static void what_cannot_be_frozen_leaves_nothing_frozen(void **state)
{
	(void)state;
	freeze_error = EIO;
	assert_answer(FREEZE, "error.class", "GenericError");
	assert_answer(STATUS, "return", "thawed");
	assert_string_equal(buf_str(&done), "freeze /mnt/my disk\nthaw /mnt/my disk\n");
	assert_false(is_noted());
}

static void what_somebody_else_froze_is_left_to_him(void **state)
{
	cleanup_json json_t *frozen = NULL;

	(void)state;
	freeze_error = EBUSY;
	frozen = ask(FREEZE);
	assert_int_equal(json_int_at(frozen, "return", -1), 1);
	assert_int_equal(agent_thaw(&agent), 1);
	assert_string_equal(buf_str(&done), "freeze /mnt/my disk\nthaw /mnt/my disk\n");
}

static void a_host_that_forgets_to_thaw_does_no_harm(void **state)
{
	cleanup_json json_t *frozen = ask(FREEZE), *thawed = NULL;

	(void)state;
	assert_in_range(agent_tick(&agent), AGENT_FREEZE_MS - 10000, AGENT_FREEZE_MS);
	agent.thaw_ms = clock_ms() - 1;
	assert_int_equal(agent_tick(&agent), -1);
	assert_string_equal(buf_str(&done), FROZEN THAWED);
	assert_contains(buf_str(&log_text), "has not thawed");
	thawed = ask(THAW);
	assert_int_equal(json_int_at(thawed, "return", -1), 0);
}

static void an_agent_that_died_is_cleaned_up_after(void **state)
{
	struct agent next = { .guest = &guest, .system = &fake };
	cleanup_json json_t *frozen = ask(FREEZE);

	(void)state;
	agent_recover(&next);
	assert_string_equal(buf_str(&done), FROZEN THAWED);
	assert_false(is_noted());
	agent_recover(&next); // nothing is left to do
	assert_string_equal(buf_str(&done), FROZEN THAWED);
}

// --- on a port

// A virtio port whose host the kernel has not heard of yet: it takes nothing, and polls as hung up.
static _Atomic int deaf_port = -1;
static _Atomic int64_t deaf_until_ms;

static bool is_deaf(int fd)
{
	return fd == deaf_port && clock_ms() < deaf_until_ms;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (!is_deaf(fd))
		return __real_write(fd, data, len);
	errno = EAGAIN;
	return -1;
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (count != 1 || !is_deaf(fds->fd))
		return __real_poll(fds, count, timeout_ms);
	fds->revents = POLLHUP;
	return 1;
}

struct host {
	pthread_t thread;
	int port[2], stop[2]; // ours, the agent's
	int result;
	struct error err;
};

static void *serve(void *arg)
{
	struct host *h = arg;

	h->result = agent_serve(&agent, h->port[1], h->stop[1], &h->err);
	return NULL;
}

static void start_host(struct host *h)
{
	*h = (struct host){ .result = 1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, h->port), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, h->stop), 0);
	assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
}

static void end_host(struct host *h)
{
	close(h->stop[0]);
	pthread_join(h->thread, NULL);
	close(h->stop[1]);
	close(h->port[0]);
	close(h->port[1]);
}

// Writes to the port and reads lines from it until there are so many.
static char *talk(const struct host *h, const char *text, int lines)
{
	struct pollfd port = { .fd = h->port[0], .events = POLLIN };
	struct buf got = BUF_INIT;
	char byte;

	assert_int_equal(write(h->port[0], text, strlen(text)), strlen(text));
	while (lines > 0) {
		assert_int_equal(poll(&port, 1, 30000), 1);
		assert_int_equal(read(h->port[0], &byte, 1), 1);
		buf_putc(&got, byte);
		lines -= byte == '\n';
	}
	return buf_steal(&got);
}

static void a_host_is_answered_on_the_port(void **state)
{
	cleanup_free char *first = NULL, *second = NULL;
	struct host host;

	(void)state;
	start_host(&host);
	first = talk(&host, "{\"execute\":\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":77}}\n", 1);
	second = talk(&host, "what?\n{\"execute\":\"guest-ping\"}" FREEZE, 3);
	assert_string_equal(first, "\xff{\"return\":77}\n");
	assert_contains(second, "GenericError");
	assert_contains(second, "{\"return\":{}}\n{\"return\":2}\n");
	end_host(&host); // nothing may stay frozen
	assert_int_equal(host.result, 0);
	assert_string_equal(buf_str(&done), FROZEN THAWED);
}

static void an_answer_waits_until_the_kernel_knows_of_the_host(void **state)
{
	cleanup_free char *answer = NULL;
	struct host host;

	(void)state;
	start_host(&host);
	deaf_port = host.port[1];
	deaf_until_ms = clock_ms() + 200;
	answer = talk(&host, "{\"execute\":\"guest-ping\"}\n", 1);
	assert_string_equal(answer, "{\"return\":{}}\n");
	end_host(&host);
	deaf_port = -1;
}

// It may have asked much before it went.
static void a_host_that_is_gone_is_waited_for_once(void **state)
{
	static const char request[] = "{\"execute\":\"guest-ping\"}\n";
	struct host host;
	int64_t start;

	(void)state;
	start_host(&host);
	deaf_port = host.port[1];
	deaf_until_ms = INT64_MAX;
	for (int i = 0; i < 50; i++)
		assert_int_equal(write(host.port[0], request, sizeof(request) - 1), sizeof(request) - 1);
	start = clock_ms();
	end_host(&host);
	assert_true(clock_ms() - start < 20000);
	deaf_port = -1;
}

static void a_host_that_reads_nothing_holds_up_nothing(void **state)
{
	static const char request[] = "{\"execute\":\"guest-info\"}\n";
	struct host host;
	int small = 4096;

	(void)state;
	start_host(&host);
	setsockopt(host.port[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int i = 0; i < 50; i++)
		(void)!write(host.port[0], request, sizeof(request) - 1);
	shutdown(host.port[0], SHUT_RD); // it goes away
	end_host(&host);
	assert_int_equal(host.result, 0);
}

static void the_agent_serves_the_port_that_has_its_name(void **state)
{
	cleanup_strv struct strv ports = STRV_INIT;

	(void)state;
	qemu_agent_service.instances(&guest, &ports);
	assert_int_equal(ports.count, 0);
	put_file("sys/class/virtio-ports/vport1p1/name", "com.redhat.spice.0\n");
	put_file("sys/class/virtio-ports/vport1p2/name", "org.qemu.guest_agent.0\n");
	put_file("sys/class/virtio-ports/vport1p3/dev", "1:1\n"); // a console has no name
	qemu_agent_service.instances(&guest, &ports);
	assert_int_equal(ports.count, 1);
	assert_string_equal(ports.items[0], "vport1p2");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
		CASE(requests_are_found_in_a_stream),
		CASE(a_request_without_end_is_dropped),
		CASE(what_is_no_command_is_an_error_with_its_class),
		CASE(info_names_every_command_and_none_that_runs_programs),
		CASE(the_system_is_described),
		CASE(the_clock_is_set_to_a_time_or_the_hosts),
		CASE(shutting_down_has_no_answer),
		CASE(each_writable_disk_is_frozen_once),
		CASE(what_cannot_be_frozen_leaves_nothing_frozen),
		CASE(what_somebody_else_froze_is_left_to_him),
		CASE(a_host_that_forgets_to_thaw_does_no_harm),
		CASE(an_agent_that_died_is_cleaned_up_after),
		CASE(a_host_is_answered_on_the_port),
		CASE(an_answer_waits_until_the_kernel_knows_of_the_host),
		CASE(a_host_that_is_gone_is_waited_for_once),
		CASE(a_host_that_reads_nothing_holds_up_nothing),
		CASE(the_agent_serves_the_port_that_has_its_name),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
