// SPDX-License-Identifier: Apache-2.0
// Unit tests of Xen's guest service: a XenStore on the other end of a socket.
#include "../unit/test.h"

#include "hypervisor.h"
#include "root-folder.h"
#include "told.h"
#include "xen_service.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

struct head {
	uint32_t type, request, transaction, len;
};

// The store: its answers are made by a thread.
static struct {
	pthread_t thread;
	int fd[2]; // ours, the store's
	struct told values;
	struct strv written;
	const char *error; // for every request
	uint32_t answer_len; // not 0: what it says the length is
	bool late; // an answer to somebody else's request comes first
} store;

static void send_answer(uint32_t type, uint32_t request, const char *text)
{
	struct head head = { .type = type, .request = request, .len = (uint32_t)strlen(text) };

	head.len = store.answer_len ? store.answer_len : head.len;
	(void)!write(store.fd[1], &head, sizeof(head));
	(void)!write(store.fd[1], text, strlen(text));
}

static void put(const char *path, const char *value)
{
	struct told rest = TOLD_INIT;

	for (size_t i = 0; i < store.values.names.count; i++)
		if (strcmp(store.values.names.items[i], path) != 0)
			told_add(&rest, store.values.names.items[i], store.values.values.items[i]);
	if (value)
		told_add(&rest, path, value);
	told_done(&store.values);
	store.values = rest;
	strv_pushf(&store.written, "%s%s%s", path, value ? "=" : "", value ? value : "");
}

static void answer(const struct head *head, const char *path, const char *value)
{
	const char *before = told_value(&store.values, path);

	if (store.late)
		send_answer(2, head->request - 1, "stale");
	if (store.error)
		send_answer(16, head->request, store.error);
	else if (head->type != 11 && !before)
		send_answer(16, head->request, "ENOENT");
	else if (head->type == 2)
		send_answer(2, head->request, before);
	else
		put(path, head->type == 11 ? value : NULL), send_answer(head->type, head->request, "OK");
}

static void *serve(void *arg)
{
	struct head head;
	char body[4097];

	(void)arg;
	while (read(store.fd[1], &head, sizeof(head)) == (ssize_t)sizeof(head)) {
		ssize_t len = read(store.fd[1], body, head.len);

		if (len != (ssize_t)head.len)
			break;
		body[len] = '\0'; // the value has none
		answer(&head, body, body + strlen(body) + 1);
	}
	return NULL;
}

static int start(void **state)
{
	memset(&store, 0, sizeof(store));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, store.fd), 0);
	assert_int_equal(pthread_create(&store.thread, NULL, serve, NULL), 0);
	return make_root(state);
}

static int end(void **state)
{
	close(store.fd[0]);
	pthread_join(store.thread, NULL);
	close(store.fd[1]);
	told_done(&store.values);
	strv_done(&store.written);
	return remove_root(state);
}

static void values_are_written_read_and_removed(void **state)
{
	struct xenstore x = { .fd = store.fd[0] };
	cleanup_buf struct buf value = BUF_INIT;

	(void)state;
	assert_ok(xenstore_write(&x, "data/a", "one two", &err), &err);
	assert_ok(xenstore_read(&x, "data/a", &value, &err), &err);
	assert_string_equal(buf_str(&value), "one two");
	assert_ok(xenstore_remove(&x, "data/a", &err), &err);
	assert_ok(xenstore_remove(&x, "data/a", &err), &err); // is gone already
	assert_int_equal(xenstore_read(&x, "data/a", &value, &err), -ENOENT);
	store.late = true;
	assert_ok(xenstore_write(&x, "data/b", "", &err), &err);
}

static void what_the_store_refuses_is_an_error(void **state)
{
	struct xenstore x = { .fd = store.fd[0] };
	cleanup_buf struct buf value = BUF_INIT, huge = BUF_INIT;

	(void)state;
	store.error = "EACCES";
	assert_int_equal(xenstore_write(&x, "data/a", "1", &err), -EACCES);
	assert_contains(err.msg, "data/a");
	store.error = "ESTRANGE";
	assert_int_equal(xenstore_write(&x, "data/a", "1", &err), -EIO);
	store.error = NULL;
	for (int i = 0; i < 5000; i++)
		buf_putc(&huge, 'x');
	assert_int_equal(xenstore_write(&x, "data/a", buf_str(&huge), &err), -E2BIG);
	store.answer_len = 5000; // it would overflow
	assert_int_equal(xenstore_write(&x, "data/a", "1", &err), -EBADMSG);
}

static void add_card(const char *name, const char *node)
{
	cleanup_free char *type = xasprintf("sys/class/net/%s/type", name);
	cleanup_free char *nodename = xasprintf("sys/class/net/%s/device/nodename", name);

	put_file(type, "1\n");
	put_file(nodename, node);
}

static void the_host_is_told_what_has_changed(void **state)
{
	const struct guest g = { .root = root };
	struct xenstore x = { .fd = store.fd[0] };
	struct told told = TOLD_INIT;

	(void)state;
	put_file("etc/os-release", "PRETTY_NAME=\"Boot2Docker 26.1.5\"\nVERSION_ID=26.1.5\n");
	add_card("lo", "device/vif/3\n"); // the one interface that every machine has
	assert_ok(xen_tell(&g, &x, &told, &err), &err);
	assert_string_equal(told_value(&store.values, "attr/PVAddons/Installed"), "1");
	assert_string_equal(told_value(&store.values, "attr/os/class"), "linux");
	assert_string_equal(told_value(&store.values, "data/os_name"), "Boot2Docker 26.1.5");
	assert_string_equal(told_value(&store.values, "data/os_majorver"), "26");
	assert_string_equal(told_value(&store.values, "data/os_minorver"), "1.5");
	assert_string_equal(told_value(&store.values, "attr/vif/3/ipv4/0"), "127.0.0.1");
	assert_true(strncmp(store.written.items[store.written.count - 1], "data/updated=", 13) == 0);

	strv_done(&store.written);
	assert_ok(xen_tell(&g, &x, &told, &err), &err);
	assert_int_equal(store.written.count, 0); // nothing has changed

	put_file("sys/class/net/lo/type", "32\n");
	assert_ok(xen_tell(&g, &x, &told, &err), &err);
	assert_null(told_value(&store.values, "attr/vif/3/ipv4/0"));
	told_done(&told);
}

static void a_machine_on_another_host_tells_all_again(void **state)
{
	const struct guest g = { .root = root };
	struct xenstore x = { .fd = store.fd[0] };
	struct told told = TOLD_INIT;

	(void)state;
	assert_ok(xen_tell(&g, &x, &told, &err), &err);
	told_done(&store.values);
	assert_ok(xen_tell(&g, &x, &told, &err), &err);
	assert_string_equal(told_value(&store.values, "attr/os/class"), "linux");
	told_done(&told);
}

static void each_service_runs_where_its_device_is(void **state)
{
	static const struct {
		const struct service_row *row;
		const char *file, *text, *argument;
	} rows[] = {
		{ &xen_service, "dev/xen/xenbus", "", "xenbus" },
		{ &hyperv_service, "dev/vmbus/hv_vss", "", "vss" },
		{ &vmware_service, "sys/class/dmi/id/sys_vendor", "VMware, Inc.\n", "tools" },
	};
	struct guest g = { .root = root };

	(void)state;
	put_file("usr/bin/vmtoolsd", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strv struct strv before = STRV_INIT, after = STRV_INIT;
		struct launch launch = { .argument = rows[i].argument };

		rows[i].row->instances(&g, &before);
		assert_int_equal(before.count, 0);
		put_file(rows[i].file, rows[i].text);
		rows[i].row->instances(&g, &after);
		assert_int_equal(after.count, 1);
		assert_string_equal(after.items[0], rows[i].argument);
		assert_ok(rows[i].row->prepare(&g, &launch, &err), &err);
		assert_true(launch.argv.items[0][0] == '/');
		strv_done(&launch.argv);
	}
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
		CASE(values_are_written_read_and_removed),   CASE(what_the_store_refuses_is_an_error),
		CASE(the_host_is_told_what_has_changed),     CASE(a_machine_on_another_host_tells_all_again),
		CASE(each_service_runs_where_its_device_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
