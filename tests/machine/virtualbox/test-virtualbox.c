// SPDX-License-Identifier: Apache-2.0
// Unit tests of what reads VBoxManage's output, and of the host-only network's arithmetic. The texts are the real program's.
#include "test.h"

#include "machine/virtualbox/internal.h"

#include <errno.h>

static const char info[] = "name=\"t\"\n"
			   "CfgFile=\"/vms/two words/t.vbox\"\n"
			   "memory=1024\n"
			   "VMState=\"running\"\n"
			   "VMStateChangeTime=\"2026-11-24T05:57:25.163000000\"\n"
			   "\"SATA-0-0\"=\"/images/boot2docker.iso\"\n"
			   "\"SATA-ImageUUID-1-0\"=\"2e637020\"\n"
			   "\"SATA-1-0\"=\"/a \\\"b\\\" \\\\c.vmdk\"\n"
			   "nic1=\"nat\"\n"
			   "macaddress1=\"080027123456\"\n"
			   "Forwarding(0)=\"ssh,tcp,127.0.0.1,2222,,22\"\n"
			   "hostonlyadapter2=\"vboxnet0\"\n"
			   "macaddress2=\"0800277E1EF1\"\n"
			   "nic2=\"hostonly\"\n"
			   "VideoMode=\"720,400,0\"@0,0 1\n"
			   "VRDEClients==0\n"
			   " rec_screen0\n"
			   "SharedFolderNameMachineMapping1=\"Users\"\n";

static void check_info(const char *key, const char *expected)
{
	cleanup_buf struct buf value = BUF_INIT;

	assert_int_equal(info_get(info, key, &value), expected != NULL);
	assert_string_equal(buf_str(&value), expected ? expected : "");
}

static void info_is_read_whether_quoted_or_not(void **state)
{
	(void)state;
	check_info("name", "t");
	check_info("CfgFile", "/vms/two words/t.vbox");
	check_info("memory", "1024");
	check_info("SATA-1-0", "/a \"b\" \\c.vmdk");
	check_info("Forwarding(0)", "ssh,tcp,127.0.0.1,2222,,22");
	check_info("VideoMode", "720,400,0");
	check_info("SharedFolderNameMachineMapping1", "Users");
	check_info("Forwarding(1)", NULL);
	check_info("mem", NULL);
	check_info("rec_screen0", NULL);
}

static void states_are_ours(void **state)
{
	static const struct {
		const char *text;
		enum machine_state state;
	} rows[] = {
		{ "VMState=\"poweroff\"\n", STATE_STOPPED },   { "VMState=\"aborted\"\n", STATE_STOPPED },
		{ "VMState=\"running\"\n", STATE_RUNNING },    { "VMState=\"paused\"\n", STATE_PAUSED },
		{ "VMState=\"saved\"\n", STATE_SAVED },        { "VMState=\"gurumeditation\"\n", STATE_ERROR },
		{ "VMStateChangeTime=\"x\"\n", STATE_NONE },   { "", STATE_NONE },
		{ "VMState=\"restoring\"\n", STATE_STARTING }, { "VMState=\"stopping\"", STATE_STOPPING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(info_state(rows[i].text), rows[i].state);
}

static void the_wrappers_warning_is_dropped(void **state)
{
	cleanup_buf struct buf output = BUF_INIT;

	(void)state;
	buf_puts(&output, "WARNING: The character device /dev/vboxdrv does not exist.\n"
			  "\t Please install the virtualbox-dkms package and the appropriate\n"
			  "\t headers, most likely linux-headers-v595.\n\n"
			  "\t You will not be able to start VMs until this problem is fixed.\n"
			  "7.2.22_Debianr175245\n");
	output_strip_warning(&output);
	assert_string_equal(buf_str(&output), "7.2.22_Debianr175245\n");
	assert_int_equal(output.len, strlen("7.2.22_Debianr175245\n"));
	output_strip_warning(&output);
	assert_string_equal(buf_str(&output), "7.2.22_Debianr175245\n");
}

static void check_error(const char *text, const char *expected)
{
	cleanup_buf struct buf message = BUF_INIT;

	output_error(text, &message);
	assert_string_equal(buf_str(&message), expected);
}

static void the_error_is_found_behind_the_progress(void **state)
{
	(void)state;
	check_error("0%...NS_ERROR_FAILURE\nVBoxManage: error: Failed to create the host-only adapter\nVBoxManage: "
		    "error: Details: x\n",
		    "Failed to create the host-only adapter");
	check_error("\n\nsomething else\nand more\n", "something else");
	check_error("", "it failed without a word");
}

static void records_are_separated_by_their_first_key(void **state)
{
	static const char list[] =
		"Name:            vboxnet0\nIPAddress:       192.168.56.1\nNetworkMask:     255.255.255.0\n"
		"IPV6Address:     \nVBoxNetworkName: HostInterfaceNetworking-vboxnet0\n\n"
		"Name:            vboxnet1\nIPAddress:       192.168.57.1\n\n";
	cleanup_buf struct buf value = BUF_INIT;
	size_t len = 0;

	(void)state;
	const char *first = record_next(list, "Name", &len);
	assert_true(record_get(first, len, "IPAddress", &value));
	assert_string_equal(buf_str(&value), "192.168.56.1");
	buf_clear(&value);
	assert_true(record_get(first, len, "IPV6Address", &value));
	assert_string_equal(buf_str(&value), "");
	const char *second = record_next(first + len, "Name", &len);
	assert_true(record_get(second, len, "Name", &value));
	assert_string_equal(buf_str(&value), "vboxnet1");
	assert_false(record_get(second, len, "NetworkMask", &value));
	assert_null(record_next(second + len, "Name", &len));
	assert_null(record_next("", "Name", &len));
}

static void the_address_belongs_to_the_card(void **state)
{
	static const char addresses[] = "2: eth0: <UP>\n    link/ether 08:00:27:12:34:56 brd ff:ff:ff:ff:ff:ff\n"
					"    inet 10.0.2.15/24 brd 10.0.2.255 scope global eth0\n"
					"    inet6 fe80::1/64 scope link\n"
					"3: eth1: <UP>\n    link/ether 08:00:27:7E:1e:f1 brd ff:ff:ff:ff:ff:ff\n"
					"    inet6 fe80::2/64 scope link\n"
					"    inet 192.168.59.100/24 brd 192.168.59.255 scope global eth1\n"
					"4: docker0: <UP>\n    link/ether 02:42:00:00:00:00 brd ff:ff:ff:ff:ff:ff\n"
					"    inet 172.17.0.1/16 scope global docker0\n";
	cleanup_buf struct buf mac = BUF_INIT;
	cleanup_buf struct buf ip = BUF_INIT;

	(void)state;
	assert_true(info_hostonly_mac(info, &mac));
	assert_string_equal(buf_str(&mac), "0800277e1ef1");
	assert_true(address_of_mac(addresses, buf_str(&mac), &ip));
	assert_string_equal(buf_str(&ip), "192.168.59.100");
	buf_clear(&ip);
	assert_false(address_of_mac(addresses, "080027999999", &ip));
	assert_false(address_of_mac(
		"    link/ether 08:00:27:7e:1e:f1 brd x\n4: docker0:\n    link/ether 02:42:00:00:00:00 b\n"
		"    inet 172.17.0.1/16\n",
		buf_str(&mac), &ip));
	assert_false(info_hostonly_mac(
		"nic1=\"nat\"\nmacaddress1=\"0800\"\nhostonlyadapter2=\"vboxnet0\"\nnic2=\"none\"\n", &ip));
}

static void a_made_interface_has_a_name(void **state)
{
	cleanup_buf struct buf name = BUF_INIT;

	(void)state;
	assert_true(created_interface("Interface 'vboxnet2' was successfully created\n", &name));
	assert_string_equal(buf_str(&name), "vboxnet2");
	buf_clear(&name);
	assert_false(created_interface("Interface 'vbox", &name));
	buf_clear(&name);
	assert_false(created_interface("", &name));
}

static void check_range(const char *cidr, const char *server, const char *lower, const char *upper)
{
	struct error err = ERROR_INIT;
	struct network n;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_free char *expected = xasprintf("%s %s %s", server, lower, upper);

	assert_ok(network_parse(cidr, &n, &err), &err);
	struct dhcp_range range = network_dhcp_range(&n);
	network_format(range.server, &text);
	buf_putc(&text, ' ');
	network_format(range.lower, &text);
	buf_putc(&text, ' ');
	network_format(range.upper, &text);
	assert_string_equal(buf_str(&text), expected);
}

static void the_dhcp_range_lies_in_the_network(void **state)
{
	(void)state;
	check_range("192.168.99.1/24", "192.168.99.2", "192.168.99.100", "192.168.99.254");
	check_range("192.168.99.2/24", "192.168.99.3", "192.168.99.100", "192.168.99.254");
	check_range("10.1.2.3/8", "10.0.0.2", "10.0.0.100", "10.255.255.254");
	check_range("192.168.59.1/29", "192.168.59.2", "192.168.59.4", "192.168.59.6");
}

static void a_cidr_must_be_a_hosts(void **state)
{
	static const char *const wrong[] = { "",
					     "192.168.99.1",
					     "192.168.99.1/",
					     "192.168.99/24",
					     "192.168.99.0/24",
					     "192.168.99.255/24",
					     "192.168.99.1/33",
					     "192.168.99.1/30",
					     "x/24",
					     "1.2.3.4/7",
					     "192.168.99.1/24 " };
	struct error err = ERROR_INIT;
	struct network n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(network_parse(wrong[i], &n, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_is_read_whether_quoted_or_not),
		cmocka_unit_test(states_are_ours),
		cmocka_unit_test(the_wrappers_warning_is_dropped),
		cmocka_unit_test(the_error_is_found_behind_the_progress),
		cmocka_unit_test(records_are_separated_by_their_first_key),
		cmocka_unit_test(the_address_belongs_to_the_card),
		cmocka_unit_test(a_made_interface_has_a_name),
		cmocka_unit_test(the_dhcp_range_lies_in_the_network),
		cmocka_unit_test(a_cidr_must_be_a_hosts),
	};

	return cmocka_run_group_tests_name("virtualbox", tests, NULL, NULL);
}
