// SPDX-License-Identifier: Apache-2.0
// Unit tests of VirtualBox's guest service and shares, against a host behind the device's one function.
#include "../unit/test.h"

#include "hypervisor.h"
#include "lib/strv.h"
#include "root-folder.h"
#include "shares.h"
#include "vbox_service.h"

#include <errno.h>

#define CLIENT 77

// The host. Shares are ASCII, or (`raw`) bytes of UTF-16 as they are.
struct share_of_host {
	const char *name;
	bool automount;
	const uint16_t *raw;
	size_t raw_len;
};

static struct {
	struct strv properties; // "NAME=VALUE (FLAGS)", "-NAME"
	const struct share_of_host *shares;
	size_t share_count;
	int64_t time_ms;
	int rc; // of every request
	char service[128];
} host;

static const char *string_of(const struct vmmdev_hgcm_function_parameter64 *p)
{
	const char *s = (const char *)(uintptr_t)p->u.pointer.u.linear_addr;

	assert_int_equal(p->type, VMMDEV_HGCM_PARM_TYPE_LINADDR_IN);
	assert_int_equal(p->u.pointer.size, strlen(s) + 1); // the NUL counts
	return s;
}

static void properties(uint32_t function, const struct vmmdev_hgcm_function_parameter64 *p, int count)
{
	if (function == 2) {
		assert_int_equal(count, 3);
		strv_pushf(&host.properties, "%s=%s (%s)", string_of(p), string_of(p + 1), string_of(p + 2));
	} else {
		assert_int_equal(function, 4);
		assert_int_equal(count, 1);
		strv_pushf(&host.properties, "-%s", string_of(p));
	}
}

static void list_shares(struct vmmdev_hgcm_function_parameter64 *p)
{
	struct {
		uint32_t status, root;
	} *list = (void *)(uintptr_t)p[2].u.pointer.u.linear_addr;
	uint32_t count = 0;

	assert_int_equal(p[2].u.pointer.size / sizeof(*list), p[1].u.value32); // the host insists
	for (uint32_t i = 0; i < host.share_count; i++)
		if (host.shares[i].automount || !(p[0].u.value32 & 0x10)) {
			if (count < p[1].u.value32)
				list[count].root = i;
			count++;
		}
	p[1].u.value32 = count;
}

static void name_share(const struct vmmdev_hgcm_function_parameter64 *p)
{
	uint16_t *answer = (void *)(uintptr_t)p[1].u.pointer.u.linear_addr;
	const struct share_of_host *share = &host.shares[p[0].u.value32];
	size_t len = share->raw ? share->raw_len : strlen(share->name);

	assert_int_equal(answer[0] + 4, p[1].u.pointer.size);
	answer[1] = (uint16_t)(len * 2);
	for (size_t i = 0; i < len; i++)
		answer[2 + i] = share->raw ? share->raw[i] : (uint8_t)share->name[i];
}

static int call(struct vbg_ioctl_hgcm_call *c)
{
	struct vmmdev_hgcm_function_parameter64 *p = (void *)(c + 1);

	if (c->client_id != CLIENT)
		return -EINVAL;
	assert_in_range(c->timeout_ms, 1, 60000);
	if (strcmp(host.service, VBOX_PROPERTIES) == 0)
		properties(c->function, p, c->parm_count);
	else if (c->function == 1)
		list_shares(p);
	else
		name_share(p);
	return 0;
}

static int answer(const struct vbox *v, unsigned long number, void *data)
{
	struct vbg_ioctl_hdr *header = data;

	(void)v;
	assert_int_equal(header->version, VBG_IOCTL_HDR_VERSION);
	assert_int_equal(header->size_in, _IOC_SIZE(number));
	// As drivers/virt/vboxguest/vboxguest_core.c has it: a connection's two sizes are those of its two structures.
	if (number == VBG_IOCTL_HGCM_CONNECT && header->size_out != sizeof(*header) + sizeof(uint32_t))
		return -EINVAL;
	if (number != VBG_IOCTL_HGCM_CONNECT)
		assert_int_equal(header->size_out, header->size_in);
	header->rc = host.rc;
	if (host.rc < 0)
		return 0;
	if (header->type == VMMDEVREQ_GET_HOST_TIME) {
		assert_int_equal(number, VBG_IOCTL_VMMDEV_REQUEST(sizeof(*header) + 8));
		memcpy(header + 1, &host.time_ms, sizeof(host.time_ms));
		return 0;
	}
	if (number == VBG_IOCTL_HGCM_CONNECT) {
		struct vbg_ioctl_hgcm_connect *c = data;

		memcpy(host.service, c->u.in.loc.u.localhost.service_name, sizeof(host.service));
		c->u.out.client_id = CLIENT;
		return 0;
	}
	if (_IOC_NR(number) == 7)
		return call(data);
	return -ENOTTY;
}

static const struct vbox device = { .request = answer, .fd = -1 };

static int start(void **state)
{
	memset(&host, 0, sizeof(host));
	return make_root(state);
}

static int end(void **state)
{
	strv_done(&host.properties);
	return remove_root(state);
}

static void the_hosts_time_is_read(void **state)
{
	int64_t ms = 0;

	(void)state;
	host.time_ms = 1900000000123;
	assert_ok(vbox_host_time(&device, &ms, &err), &err);
	assert_true(ms == 1900000000123);
	host.rc = -2;
	assert_int_equal(vbox_host_time(&device, &ms, &err), -EREMOTEIO);
	assert_contains(err.msg, "status -2");
}

// --- the clock

#define START 1900000000000

static struct vbox_clock clock_at_start(int64_t own_ms)
{
	struct vbox_clock clock = { .is_known = false };
	int64_t to = 0;
	bool set = vbox_clock_add(&clock, &(struct vbox_reading){ START, 5000, own_ms }, &to);

	assert_int_equal(set, llabs(own_ms - START) > 1000);
	if (set)
		assert_true(to == START);
	return clock;
}

static void a_clock_that_is_wrong_at_the_start_is_set(void **state)
{
	struct vbox_clock clock = clock_at_start(START + 7200000);
	int64_t to;

	(void)state;
	assert_false(vbox_clock_add(&clock, &(struct vbox_reading){ START + 10000, 15000, START + 10000 }, &to));
	clock_at_start(START - 100);
}

static void a_clock_that_somebody_sets_otherwise_is_left_to_him(void **state)
{
	struct vbox_clock clock = clock_at_start(START);
	int64_t to;

	(void)state;
	for (int i = 1; i < 50; i++)
		assert_false(vbox_clock_add(
			&clock, &(struct vbox_reading){ START + i * 10000, 5000 + i * 10000, START + i * 10000 + 4000 },
			&to));
}

static void a_machine_that_was_stopped_gets_its_time_back(void **state)
{
	struct vbox_clock clock = clock_at_start(START);
	int64_t to = 0;

	(void)state;
	assert_false(vbox_clock_add(&clock, &(struct vbox_reading){ START + 10000, 15000, START + 12000 }, &to));
	// An hour is missed. NTP had put our clock 2 s ahead of the host's.
	assert_true(vbox_clock_add(&clock, &(struct vbox_reading){ START + 3620000, 25000, START + 22000 }, &to));
	assert_true(to == START + 3622000);
	assert_false(vbox_clock_add(&clock, &(struct vbox_reading){ START + 3630000, 35000, START + 3632000 }, &to));
	// PID 1 was faster this time.
	assert_false(vbox_clock_add(&clock, &(struct vbox_reading){ START + 9990000, 45000, START + 9992100 }, &to));
}

// --- properties

static void the_host_is_told_what_has_changed(void **state)
{
	const struct guest g = { .root = root };
	struct told told = TOLD_INIT;
	uint32_t client = 0;

	(void)state;
	put_file("sys/class/net/eth0/type", "1\n");
	put_file("sys/class/net/eth0/device/x", "");
	put_file("sys/class/net/eth0/address", "08:00:27:4d:7b:ba\n");
	put_file("sys/class/net/eth0/operstate", "up\n");
	assert_ok(vbox_connect(&device, VBOX_PROPERTIES, &client, &err), &err);
	assert_ok(vbox_tell(&g, &device, client, &told, &err), &err);
	assert_true(strv_contains(&host.properties, "/VirtualBox/GuestInfo/OS/Product=Linux ()"));
	assert_true(strv_contains(&host.properties,
				  "/VirtualBox/GuestInfo/Net/0/MAC=0800274D7BBA (TRANSIENT, TRANSRESET)"));
	assert_true(strv_contains(&host.properties, "/VirtualBox/GuestInfo/Net/0/Status=Up (TRANSIENT, TRANSRESET)"));
	assert_true(strv_contains(&host.properties, "/VirtualBox/GuestInfo/Net/Count=1 (TRANSIENT, TRANSRESET)"));

	strv_done(&host.properties);
	assert_ok(vbox_tell(&g, &device, client, &told, &err), &err);
	assert_int_equal(host.properties.count, 0);

	put_file("sys/class/net/eth0/type", "32\n"); // the card is gone
	assert_ok(vbox_tell(&g, &device, client, &told, &err), &err);
	assert_true(strv_contains(&host.properties, "-/VirtualBox/GuestInfo/Net/0/Name"));
	assert_true(strv_contains(&host.properties, "/VirtualBox/GuestInfo/Net/Count=0 (TRANSIENT, TRANSRESET)"));

	host.rc = -5;
	put_file("sys/class/net/eth0/type", "1\n");
	assert_int_equal(vbox_tell(&g, &device, client, &told, &err), -EREMOTEIO);
	assert_int_equal(told.names.count, 0); // all is told again
}

// The machine that runs the test has a loopback interface with an address: a card of that name shows how addresses are told.
static void addresses_are_told(void **state)
{
	const struct guest g = { .root = root };
	struct told told = TOLD_INIT;
	uint32_t client = 0;

	(void)state;
	put_file("sys/class/net/lo/type", "1\n");
	put_file("sys/class/net/lo/device/x", "");
	assert_ok(vbox_connect(&device, VBOX_PROPERTIES, &client, &err), &err);
	assert_ok(vbox_tell(&g, &device, client, &told, &err), &err);
	assert_true(
		strv_contains(&host.properties, "/VirtualBox/GuestInfo/Net/0/V4/IP=127.0.0.1 (TRANSIENT, TRANSRESET)"));
	assert_true(strv_contains(&host.properties,
				  "/VirtualBox/GuestInfo/Net/0/V4/Netmask=255.0.0.0 (TRANSIENT, TRANSRESET)"));
	told_done(&told);
}

// --- shares

static char *plan(const struct share_of_host *shares, size_t count)
{
	const struct guest g = { .root = root };
	struct buf text = BUF_INIT;
	struct shares found;

	host.shares = shares;
	host.share_count = count;
	shares_plan(&g, &device, &found);
	for (size_t i = 0; i < found.count; i++)
		buf_printf(&text, "%s %s at %s\n", found.list[i].type, found.list[i].tag, found.list[i].target);
	shares_done(&found);
	return buf_steal(&text);
}

#define PLAN(...)                                           \
	plan((const struct share_of_host[]){ __VA_ARGS__ }, \
	     sizeof((const struct share_of_host[]){ __VA_ARGS__ }) / sizeof(struct share_of_host))

static void shares_are_mounted_by_the_naming_rule(void **state)
{
	cleanup_free char *rule = PLAN({ "Users", true }, { "home/jsmith", true }, { "c:/Users", true },
				       { "etc", true }, { "by-hand", false });
	cleanup_free char *first = PLAN({ "/c/Users", false }, { "c/Users", false }, { "other", false });
	cleanup_free char *both = PLAN({ "/Users", true }, { "Users", false });

	(void)state;
	assert_string_equal(
		rule, "vboxsf Users at /Users\nvboxsf c:/Users at /c/Users\nvboxsf home/jsmith at /home/jsmith\n");
	assert_contains(buf_str(&log_text), "share etc is not mounted");
	assert_string_equal(first, "vboxsf c/Users at /c/Users\n");
	assert_string_equal(both, "vboxsf Users at /Users\n");
}

static void names_of_shares_may_be_any_text_or_none(void **state)
{
	static const uint16_t umlaut[] = { 'G', 0xfc, 0x20ac, 0xd83d, 0xdc33 }; // ü, €, a whale
	static const uint16_t half[] = { 'a', 0xd83d }, wrong[] = { 0xdc33, 'a' }, nul[] = { 'a', 0, 'b' };
	cleanup_free char *text = PLAN({ NULL, true, umlaut, 5 });
	cleanup_free char *bad =
		PLAN({ NULL, true, half, 2 }, { NULL, true, wrong, 2 }, { NULL, true, nul, 3 }, { "", true });

	(void)state;
	assert_string_equal(text, "vboxsf Gü€🐳 at /Gü€🐳\n");
	assert_string_equal(bad, "");
	assert_contains(buf_str(&log_text), "cannot be read");
}

static void more_shares_than_virtualbox_has_are_not_read(void **state)
{
	struct share_of_host many[VBOX_SHARES_MAX + 20];
	char names[VBOX_SHARES_MAX + 20][8];
	cleanup_strv struct strv found = STRV_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		many[i] = (struct share_of_host){ .name = names[i], .automount = true };
	}
	host.shares = many;
	host.share_count = ARRAY_SIZE(many);
	assert_ok(vbox_share_names(&device, true, &found, &err), &err);
	assert_int_equal(found.count, VBOX_SHARES_MAX);
}

static void a_host_that_refuses_has_no_shares(void **state)
{
	cleanup_free char *none = NULL;

	(void)state;
	host.rc = -3;
	none = PLAN({ "Users", true });
	assert_string_equal(none, "");
	assert_contains(buf_str(&log_text), "shares are not mounted");
}

static void the_service_runs_where_the_device_is(void **state)
{
	const struct guest g = { .root = root };
	cleanup_strv struct strv devices = STRV_INIT;
	struct vbox none;

	(void)state;
	virtualbox_service.instances(&g, &devices);
	assert_int_equal(devices.count, 0);
	assert_int_equal(vbox_open(&g, &none, &err), -ENOENT);
	put_file("dev/vboxguest", "");
	virtualbox_service.instances(&g, &devices);
	assert_int_equal(devices.count, 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
		CASE(the_hosts_time_is_read),
		CASE(a_clock_that_is_wrong_at_the_start_is_set),
		CASE(a_clock_that_somebody_sets_otherwise_is_left_to_him),
		CASE(a_machine_that_was_stopped_gets_its_time_back),
		CASE(the_host_is_told_what_has_changed),
		CASE(addresses_are_told),
		CASE(shares_are_mounted_by_the_naming_rule),
		CASE(names_of_shares_may_be_any_text_or_none),
		CASE(more_shares_than_virtualbox_has_are_not_read),
		CASE(a_host_that_refuses_has_no_shares),
		CASE(the_service_runs_where_the_device_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
