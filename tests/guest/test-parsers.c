// SPDX-License-Identifier: Apache-2.0
// Unit tests of what PID 1 reads from others: DHCP leases, the profile, aliases, kernel messages, options, settings.
#include "../unit/test.h"

#include "assignments.h"
#include "cron.h"
#include "dhcp.h"
#include "engine.h"
#include "home.h"
#include "hostname.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "modules.h"
#include "ntp.h"
#include "options.h"
#include "profile.h"
#include "root-folder.h"
#include "shutdown.h"
#include "sysctl.h"
#include "tls.h"
#include "uevent.h"
#include "users.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

static struct guest guest;

static int make_guest(void **state)
{
	int r = make_root(state);

	guest = (struct guest){ .root = root };
	return r;
}

static void put(const char *path, const char *text)
{
	cleanup_free char *full = guest_path(&guest, path);
	cleanup_free char *dir = xstrndup(full, (size_t)(strrchr(full, '/') - full));

	assert_ok(file_mkdirs(dir, 0755, &err), &err);
	assert_ok(file_replace_text(full, text, 0644, &err), &err);
}

// --- DHCP

static void a_lease_is_read(void **state)
{
	static const char *const env[] = { "interface=eth0",        "ip=10.0.2.15",
					   "subnet=255.255.255.0",  "router=10.0.2.2",
					   "dns=10.0.2.3 10.0.2.4", "domain=example.com",
					   "ntpsrv=10.0.2.5",       "mtu=1400",
					   "hostname=box",          NULL };
	struct dhcp_lease lease;

	(void)state;
	assert_ok(dhcp_parse(env, &lease, &err), &err);
	assert_int_equal(ntohl(lease.address.s_addr), 0x0a00020f);
	assert_int_equal(ntohl(lease.mask.s_addr), 0xffffff00);
	assert_int_equal(ntohl(lease.router.s_addr), 0x0a000202);
	assert_int_equal(lease.dns.count, 2);
	assert_string_equal(lease.search.items[0], "example.com");
	assert_string_equal(lease.ntp.items[0], "10.0.2.5");
	assert_int_equal(lease.mtu, 1400);
	assert_string_equal(lease.hostname, "box");
	dhcp_lease_done(&lease);
}

static void a_lease_without_a_usable_address_is_refused(void **state)
{
	static const char *const addresses[] = {
		"ip=",       "ip=0.0.0.0", "ip=127.0.0.1", "ip=224.0.0.1", "ip=255.255.255.255", "ip=10.0.2.15; reboot",
		"ip=10.0.2", "ip=::1",     "pi=10.0.2.15"
	};
	struct dhcp_lease lease;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const char *const env[] = { addresses[i], "subnet=255.255.255.0", NULL };

		assert_int_equal(dhcp_parse(env, &lease, &err), -EBADMSG);
	}
}

static void hostile_values_of_a_lease_are_dropped(void **state)
{
	static const char *const env[] = { "ip=10.0.2.15",
					   "subnet=255.0.255.0",
					   "router=$(reboot)",
					   "mtu=9",
					   "dns=10.0.2.3 1.2.3.4\nnameserver 6.6.6.6 ::1",
					   "search=good.example -x ..",
					   "domain=a\noptions evil",
					   "hostname=-rf",
					   "ntpsrv=0.0.0.0",
					   NULL };
	struct dhcp_lease lease;

	(void)state;
	assert_ok(dhcp_parse(env, &lease, &err), &err);
	assert_int_equal(ntohl(lease.mask.s_addr), 0xffffff00);
	assert_int_equal(lease.router.s_addr, 0);
	assert_int_equal(lease.mtu, 0);
	assert_int_equal(lease.dns.count, 2); // 10.0.2.3 and 6.6.6.6, each a word of its own
	assert_int_equal(lease.search.count, 2); // good.example, and evil as a plain word
	assert_int_equal(lease.ntp.count, 0);
	assert_null(lease.hostname);
	assert_contains(buf_str(&log_text), "netmask \"255.0.255.0\"");
	dhcp_lease_done(&lease);
}

static void leases_of_all_interfaces_make_one_resolv_conf(void **state)
{
	static const char *const first[] = { "ip=10.0.2.15", "subnet=255.255.255.0", "dns=10.0.2.3", "domain=a.example",
					     NULL };
	static const char *const second[] = { "ip=192.168.1.9", "subnet=255.255.255.0", "dns=192.168.1.1 10.0.2.3",
					      NULL };
	struct dhcp_lease lease;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	put("/etc/hosts", "");
	put("/run/boot2docker/x", "");
	dhcp_resolv_conf(&guest, &text);
	assert_string_equal(buf_str(&text), "nameserver 8.8.8.8\nnameserver 1.1.1.1\n");
	assert_ok(dhcp_parse(second, &lease, &err), &err);
	assert_ok(dhcp_note(&guest, "eth1", &lease, &err), &err);
	dhcp_lease_done(&lease);
	assert_ok(dhcp_parse(first, &lease, &err), &err);
	assert_ok(dhcp_note(&guest, "eth0", &lease, &err), &err);
	dhcp_lease_done(&lease);
	cleanup_free char *conf = guest_read(&guest, "/etc/resolv.conf");

	assert_string_equal(conf, "search a.example\nnameserver 10.0.2.3\nnameserver 192.168.1.1");
}

// --- the profile

static void without_a_profile_defaults_are_taken(void **state)
{
	struct profile p;

	(void)state;
	profile_evaluate(&guest, &p);
	assert_string_equal(p.values[PROFILE_DOCKER_HOST], "-H tcp://0.0.0.0:2376");
	assert_string_equal(p.values[PROFILE_CACERT], "/var/lib/boot2docker/tls/ca.pem");
	assert_string_equal(p.values[PROFILE_CAORG], "Boot2DockerCA");
	assert_false(p.is_set[PROFILE_CACERT]);
	assert_int_equal(p.env.count, 0);
	profile_done(&p);
}

static void the_profile_of_docker_machine_is_understood(void **state)
{
	struct profile p;

	(void)state;
	put(PROFILE_FILE,
	    "EXTRA_ARGS='\n--label provider=virtualbox\n--insecure-registry registry.example.com\n\n'\n"
	    "CACERT=/var/lib/boot2docker/ca.pem\nDOCKER_HOST='-H tcp://0.0.0.0:2376'\nDOCKER_STORAGE=overlay2\n"
	    "DOCKER_TLS=auto\nSERVERKEY=/var/lib/boot2docker/server-key.pem\n"
	    "SERVERCERT=/var/lib/boot2docker/server.pem\n\nexport \"TEST=VALUE with blank\"\n");
	profile_evaluate(&guest, &p);
	assert_string_equal(p.values[PROFILE_EXTRA_ARGS],
			    "\n--label provider=virtualbox\n--insecure-registry registry.example.com\n\n");
	assert_string_equal(p.values[PROFILE_SERVERKEY], "/var/lib/boot2docker/server-key.pem");
	assert_true(p.is_set[PROFILE_CACERT]);
	assert_false(p.is_set[PROFILE_CAKEY]);
	assert_true(strv_contains(&p.env, "TEST=VALUE with blank"));
	assert_int_equal(p.env.count, 1);
	profile_done(&p);
}

static void the_profile_may_hold_any_shell(void **state)
{
	struct profile p;

	(void)state;
	put(PROFILE_FILE, "echo noise\nif true; then DOCKER_TLS=no; fi\nf() { CERTDIR=/x/$1; }; f y\nIFS=:\nexit 1\n");
	profile_evaluate(&guest, &p);
	assert_string_equal(p.values[PROFILE_DOCKER_TLS], "no");
	assert_string_equal(p.values[PROFILE_DOCKER_HOST], "-H tcp://0.0.0.0:2375");
	assert_string_equal(p.values[PROFILE_SERVERCERT], "/x/y/server.pem");
	assert_contains(buf_str(&log_text), "exit status 1");
	profile_done(&p);
}

static void what_the_profile_exports_is_read_to_the_letter(void **state)
{
	static const char *const expected[] = { "QUOTES=a 'b' \"c\" \\ $d `e`", "LINES=one\n\nexport FAKE='no'\ntwo",
						"EMPTY=", "SET=later" };
	struct profile p;

	(void)state;
	put(PROFILE_FILE, "export QUOTES='a '\"'b'\"' \"c\" \\ $d `e`'\nexport LINES=\"one\n\nexport FAKE='no'\ntwo\"\n"
			  "export EMPTY= NOT_SET\nexport SET\nSET=later\nNOT_EXPORTED=x\nexport GONE=1\nunset GONE\n");
	profile_evaluate(&guest, &p);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!strv_contains(&p.env, expected[i]))
			fail_msg("%s is not among the exports", expected[i]);
	assert_int_equal(p.env.count, ARRAY_SIZE(expected));
	profile_done(&p);
}

// What is read without a shell, with a line at its end that only a shell understands means the same.
static void a_profile_that_only_sets_variables_is_read_as_the_shell_does(void **state)
{
	static const char *const texts[] = {
		"",
		"# nothing\n\n  \t\n",
		"DOCKER_TLS=no",
		" DOCKER_TLS=no\t CERTDIR=/a/b DOCKER_DIR=x=y #DOCKER_DIR=z\n",
		"EXTRA_ARGS='\n--label a=b\n\n--dns 1.1.1.1 # \"no\" comment \\ $x `y`\n'\nexport \"A=b c\" "
		"B='d'e\"f\" C=\n",
		"export A=1\nA=2\nB=3\nexport B=4\nB=5 A=6\n",
		"ORG='it'\"'\"'s' CAORG=\"\" SERVERORG=''\nDOCKER_TLS=first\nDOCKER_TLS=\n",
		"NTP_SERVER=' '\nexport NO_PROXY=10.0.0.0/8,.example,::1 HTTP_PROXY=http://u:p@h:3128/\n",
		"export TERM=x WORDS=\"gr\303\274n\r\t!\"\n",
		"export 'QUOTED=name'\nexport NA\"ME=x\"\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_free char *with_more = xasprintf("%s\n:\n", texts[i]);
		struct profile plain, shell;
		struct assignments a;

		if (!assignments_read(texts[i], strlen(texts[i]), &a))
			fail_msg("a shell would be asked for %s", texts[i]);
		assignments_done(&a);
		put(PROFILE_FILE, texts[i]);
		profile_evaluate(&guest, &plain);
		put(PROFILE_FILE, with_more);
		profile_evaluate(&guest, &shell);
		for (size_t v = 0; v < PROFILE_COUNT; v++) {
			assert_string_equal(plain.values[v], shell.values[v]);
			assert_int_equal(plain.is_set[v], shell.is_set[v]);
		}
		strv_sort(&plain.env);
		strv_sort(&shell.env);
		assert_int_equal(plain.env.count, shell.env.count);
		for (size_t e = 0; e < plain.env.count; e++)
			assert_string_equal(plain.env.items[e], shell.env.items[e]);
		profile_done(&plain);
		profile_done(&shell);
	}
}

static void a_profile_with_anything_else_is_the_shells(void **state)
{
	static const char *const texts[] = {
		"A=$B",        "A=`b`",   "A=\"$B\"", "A=\"\\n\"",    "A=b\\",      "A=b;C=d",        "A=b&",
		"A=b|c",       "A=(b)",   "A=~",      "A=b:~/c",      "A=*",        "A={b,c}",        "A=b>c",
		"A",           "export",  "export ",  "export A",     "1=a",        "A+=b",           "'A'=b",
		"A=b command", "A='",     "A=\"b",    "unset A",      "A=b\r\n",    "IFS=:",          "BASH_ENV=x",
		"UID=0",       "PATH=/x", ". file",   "exit 1",       "export -p",  "A=b export C=d", "export A=b C",
		"A=[a]",       "A=a?",    "if true",  "readonly A=b", "A=\303\274",
	};
	static const char with_nul[] = "A='b\0c'\n";
	struct assignments a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (assignments_read(texts[i], strlen(texts[i]), &a))
			fail_msg("no shell would be asked for %s", texts[i]);
	assert_false(assignments_read(with_nul, sizeof(with_nul) - 1, &a));
	assert_int_equal(a.all.count, 0);
}

static void a_profile_with_a_syntax_error_means_defaults(void **state)
{
	struct profile p;

	(void)state;
	put(PROFILE_FILE, "DOCKER_TLS=no\nexport A=b\nif true\n");
	profile_evaluate(&guest, &p);
	assert_string_equal(p.values[PROFILE_DOCKER_TLS], "auto");
	assert_contains(buf_str(&log_text), "is not used");
	profile_done(&p);
}

static void an_endless_profile_is_bounded(void **state)
{
	struct profile p;
	time_t start = time(NULL);

	(void)state;
	put(PROFILE_FILE, "DOCKER_TLS=no\nwhile :; do sleep 1000; done\n");
	profile_evaluate(&guest, &p);
	assert_string_equal(p.values[PROFILE_DOCKER_TLS], "auto");
	assert_true(time(NULL) - start < 30);
	profile_done(&p);
}

// --- dockerd's arguments

static void check_argument(const char *profile, const struct engine_facts *facts, const char *present,
			   const char *absent)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct profile p;

	put(PROFILE_FILE, profile);
	profile_evaluate(&guest, &p);
	engine_argv(&p, facts, &argv);
	if (present && !strv_contains(&argv, present))
		fail_msg("%s is missing for profile %s", present, profile);
	if (absent && strv_contains(&argv, absent))
		fail_msg("%s is given for profile %s", absent, profile);
	profile_done(&p);
}

static void a_folder_that_is_not_there_yet_will_be_on_its_parents_file_system(void **state)
{
	(void)state;
	assert_int_equal(engine_file_system("/proc/none/such"), PROC_SUPER_MAGIC);
	assert_int_equal(engine_file_system("/proc"), PROC_SUPER_MAGIC);
	assert_int_not_equal(engine_file_system("/none"), 0);
	assert_int_equal(engine_file_system("/proc/version/below-a-file"), 0);
}

static void the_engine_is_told_what_the_profile_says(void **state)
{
	const struct engine_facts tls = { .tls_files = true }, no_files = { .tls_files = false };
	const struct engine_facts btrfs = { .tls_files = true, .on_btrfs = true };

	(void)state;
	check_argument("", &tls, "--tlsverify", NULL);
	check_argument("", &tls, "tcp://0.0.0.0:2376", NULL);
	check_argument("", &tls, "--storage-driver=overlay2", NULL);
	check_argument("", &btrfs, "--storage-driver=btrfs", NULL);
	check_argument("DOCKER_STORAGE=aufs", &tls, "--storage-driver=overlay2", NULL);
	check_argument("DOCKER_TLS=no", &tls, "--tls=false", "--tlsverify");
	check_argument("DOCKER_TLS=no", &tls, "tcp://0.0.0.0:2375", NULL);
	check_argument("DOCKER_TLS=--tls", &tls, "--tls", "--tlsverify");
	check_argument("EXTRA_ARGS='\n--label a=b\n'", &tls, "a=b", NULL);
	check_argument("", &tls, "--log-opt=max-size=100m", NULL);
	check_argument("EXTRA_ARGS=--log-driver=none", &tls, NULL, "--log-opt=max-size=100m");
	// No certificates: never a port that anybody may use.
	check_argument("", &no_files, "unix:///var/run/docker.sock", "tcp://0.0.0.0:2376");
}

static void what_daemon_json_says_is_not_said_twice(void **state)
{
	const struct engine_facts facts = {
		.tls_files = true,
		.daemon_json = "{\"storage-driver\":\"vfs\",\"hosts\":[\"unix:///"
			       "x\"],\"tlsverify\":true,\"data-root\":\"/x\",\"log-driver\":\"local\"}",
	};
	const struct engine_facts broken = { .tls_files = true, .daemon_json = "{" };

	(void)state;
	check_argument("", &facts, NULL, "--storage-driver=overlay2");
	check_argument("", &facts, NULL, "-H");
	check_argument("", &facts, NULL, "--log-opt=max-size=100m");
	check_argument("", &facts, NULL, "--tlsverify");
	check_argument("", &facts, NULL, "--data-root=/var/lib/docker");
	check_argument("", &facts, "--default-runtime=crun", NULL);
	check_argument("", &broken, "--storage-driver=overlay2", NULL);
}

// --- small ones

static void host_names_are_checked(void **state)
{
	static const char *const good[] = { "boot2docker", "a", "A-1.example.com", "9" };
	static const char *const bad[] = { "", "-a", "a-", "a..b", ".a", "a.", "a b", "a_b", "a\nb", "a/b", "a-.b" };
	char long_name[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(hostname_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(hostname_is_valid(bad[i]));
	memset(long_name, 'a', 65);
	long_name[65] = '\0';
	assert_false(hostname_is_valid(long_name));
}

static void kernel_options_are_read(void **state)
{
	struct options o;

	(void)state;
	options_parse("console=ttyS0 boot2docker.nodisk boot2docker.debug=1 boot2docker.rescue=0 quiet\n", &o);
	assert_true(o.nodisk && o.debug && !o.rescue && !o.install);
	options_parse("boot2docker.debug=maybe boot2docker.nodiskx nodisk boot2docker.", &o);
	assert_false(o.nodisk || o.debug || o.rescue);
	options_parse("quiet " CONTRACT_TEMPLATE, &o);
	assert_true(o.template);
	options_parse("boot2docker.install", &o);
	assert_true(o.install);
	assert_contains(buf_str(&log_text), "boot2docker.nodiskx is not known");
}

static void module_aliases_come_from_the_hardware_once(void **state)
{
	cleanup_strv struct strv seen = STRV_INIT, fresh = STRV_INIT, again = STRV_INIT;

	(void)state;
	put("/sys/bus/pci/devices/0000:00:02.0/modalias", "pci:v00001AF4d00001000sv*\n");
	put("/sys/bus/pci/devices/0000:00:03.0/modalias", "pci:v00001AF4d00001000sv*\n");
	put("/sys/bus/virtio/devices/virtio0/modalias", "virtio:d00000001v00001AF4\n");
	put("/sys/bus/acpi/devices/x/modalias", "-r evil\n");
	put("/sys/class/input/input0/modalias", "input:b0019v0000-e0,1,k74,ramlsfw\n");
	modules_scan(&guest, &seen, &fresh);
	assert_int_equal(fresh.count, 3);
	assert_false(strv_contains(&fresh, "-r evil"));
	modules_scan(&guest, &seen, &again);
	assert_int_equal(again.count, 0);
	assert_false(modules_is_alias("a b"));
	assert_false(modules_is_alias("-C/evil"));
}

// A ustar of one file `profile`, as long as its text.
static void put_provision(const char *text)
{
	cleanup_buf struct buf tar = BUF_INIT;
	char header[512] = "profile";
	unsigned int sum = 0;

	snprintf(header + 100, 8, "%07o", 0644);
	snprintf(header + 124, 12, "%011o", (unsigned int)(strlen(text) & 0777));
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	buf_add(&tar, header, sizeof(header));
	buf_puts(&tar, text);
	while (tar.len % 512 != 0 || tar.len < 2048)
		buf_putc(&tar, '\0');
	cleanup_free char *folder =
		guest_path(&guest, "/sys/firmware/qemu_fw_cfg/by_name/opt/boot2docker/provision.tar");
	cleanup_free char *path = path_join(folder, "raw");
	assert_ok(file_mkdirs(folder, 0755, &err), &err);
	assert_ok(file_replace(path, tar.data, tar.len, 0600, &err), &err);
}

static void an_archive_of_the_host_is_taken_once(void **state)
{

	(void)state;
	put_provision("DOCKER_TLS=auto\n");
	put(PROFILE_FILE, "EXTRA_ARGS=\n");
	assert_ok(home_provision(&guest, &err), &err);
	cleanup_free char *given = guest_read(&guest, PROFILE_FILE);
	assert_string_equal(given, "DOCKER_TLS=auto");
	put(PROFILE_FILE, "DOCKER_TLS=no\n"); // changed by somebody, then a reboot
	assert_ok(home_provision(&guest, &err), &err);
	cleanup_free char *kept = guest_read(&guest, PROFILE_FILE);
	assert_string_equal(kept, "DOCKER_TLS=no");
	put_provision("DOCKER_TLS=verify\n"); // a new one is taken
	assert_ok(home_provision(&guest, &err), &err);
	cleanup_free char *fresh = guest_read(&guest, PROFILE_FILE);
	assert_string_equal(fresh, "DOCKER_TLS=verify");
}

static void modules_that_are_built_in_are_not_asked_for(void **state)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct utsname kernel;

	(void)state;
	strv_split(&names, "ext4 br-netfilter overlay virtio:d1v2", " ");
	modules_drop_builtin(&guest, &names); // no list: nothing is known to be built in
	assert_int_equal(names.count, 4);
	uname(&kernel);
	cleanup_free char *path = xasprintf("/lib/modules/%s/modules.builtin", kernel.release);
	put(path, "kernel/fs/ext4/ext4.ko\nkernel/net/bridge/br_netfilter.ko\n\nnonsense");
	modules_drop_builtin(&guest, &names);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "overlay");
	assert_string_equal(names.items[1], "virtio:d1v2");
}

static void the_reserve_is_what_the_kernel_takes_without_huge_pages(void **state)
{
	(void)state;
	assert_int_equal(sysctl_reserve_kb(2018932), 5684); // 2 GB: the kernel's own root is rounded down, 5683
	assert_int_equal(sysctl_reserve_kb(0), 128);
	assert_int_equal(sysctl_reserve_kb(UINT64_MAX / 16), 262144);
}

static void device_messages_are_taken_apart(void **state)
{
	char message[] = "add@/devices/pci/net/eth1\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=eth1";
	char other[] = "libudev\0something";
	struct uevent event;

	(void)state;
	assert_true(uevent_parse(message, sizeof(message), &event));
	assert_string_equal(event.action, "add");
	assert_string_equal(event.interface, "eth1");
	assert_null(event.modalias);
	assert_false(uevent_parse(other, sizeof(other), &event));
	assert_false(uevent_parse(message, sizeof(message) - 3, &event)); // not ended
}

static void file_systems_are_let_go_latest_first(void **state)
{
	cleanup_strv struct strv plan = STRV_INIT;

	(void)state;
	shutdown_plan("1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /proc rw - proc proc rw\n"
		      "3 1 254:1 / /mnt/vda1 rw - ext4 /dev/vda1 rw\n"
		      "4 3 0:9 / /mnt/vda1/my\\040folder rw - tmpfs x rw\n5 1 0:5 / /run rw - tmpfs run rw\n"
		      "6 5 0:7 / /run/docker/netns/x rw - nsfs nsfs rw\nnonsense\n",
		      &plan);
	assert_int_equal(plan.count, 3);
	assert_string_equal(plan.items[0], "/run/docker/netns/x");
	assert_string_equal(plan.items[1], "/mnt/vda1/my folder");
	assert_string_equal(plan.items[2], "/mnt/vda1");
}

static void people_are_found_with_their_groups(void **state)
{
	struct user u;

	(void)state;
	put("/etc/passwd", "root:x:0:0::/root:/bin/bash\nbroken\ndocker:x:1000:50:,,,:/home/docker:/bin/bash\n");
	put("/etc/group", "root:x:0:\nstaff:x:50:\ndocker:x:999:other,docker\nadm:x:4:dockerish\nodd\n");
	assert_ok(user_find(&guest, "docker", &u, &err), &err);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.group_count, 2);
	assert_int_equal(u.groups[0], 50);
	assert_int_equal(u.groups[1], 999);
	assert_string_equal(u.home, "/home/docker");
	user_done(&u);
	assert_int_equal(user_find(&guest, "dock", &u, &err), -ENOENT);
}

static void kernel_parameters_are_written(void **state)
{
	(void)state;
	put("/proc/sys/net/ipv4/ip_forward", "0");
	put("/proc/sys/net/ipv4/conf/eth0.5/rp_filter", "0");
	put("/outside", "0");
	put("/etc/sysctl.conf", "# a comment\n\n net.ipv4.ip_forward = 1 \nnet/ipv4/conf/eth0.5/rp_filter=2\n"
				"-not.there = 1\nnonsense\n../../outside = 1\n/outside = 1\n");
	assert_ok(sysctl_apply(&guest, &err), &err);
	cleanup_free char *forward = guest_read(&guest, "/proc/sys/net/ipv4/ip_forward");
	cleanup_free char *filter = guest_read(&guest, "/proc/sys/net/ipv4/conf/eth0.5/rp_filter");
	cleanup_free char *outside = guest_read(&guest, "/outside");

	assert_string_equal(forward, "1");
	assert_string_equal(filter, "2");
	assert_string_equal(outside, "0");
	assert_null(strstr(buf_str(&log_text), "not.there"));
	assert_contains(buf_str(&log_text), "nonsense");
}

static void the_kernel_is_told_when_to_stop_thrashing(void **state)
{
	(void)state;
	put("/sys/kernel/mm/lru_gen/min_ttl_ms", "0");
	put("/etc/sysctl.conf", "");
	assert_ok(sysctl_apply(&guest, &err), &err);
	cleanup_free char *ttl = guest_read(&guest, "/sys/kernel/mm/lru_gen/min_ttl_ms");

	assert_string_equal(ttl, "1000");
}

static void a_stall_is_a_reason_to_panic_until_the_boot_is_over(void **state)
{
	static const struct {
		const char *cmdline, *after;
	} rows[] = {
		{ "quiet sysctl.kernel." CONTRACT_STALL_PANIC "=1", "0" },
		{ "quiet", "1" }, // of the user's sysctl.conf
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put("/proc/cmdline", rows[i].cmdline);
		put("/proc/sys/kernel/" CONTRACT_STALL_PANIC, "1");
		assert_ok(sysctl_end_boot(&guest, &err), &err);
		cleanup_free char *value = guest_read(&guest, "/proc/sys/kernel/" CONTRACT_STALL_PANIC);

		assert_string_equal(value, rows[i].after);
	}
}

static void time_servers_come_from_the_profile_then_dhcp_then_the_pool(void **state)
{
	static const char *const env[] = { "ip=10.0.2.15", "subnet=255.255.255.0", "ntpsrv=10.0.2.7", NULL };
	static const struct {
		const char *profile, *first; // NULL: turned off
		bool with_dhcp;
	} rows[] = {
		{ "", "0.pool.ntp.org", false },
		{ "NTP_SERVER=\"a.example b.example\"", "a.example", true },
		{ "", "10.0.2.7", true },
		{ "NTP_SERVER=' '", NULL, true },
	};
	struct dhcp_lease lease;

	(void)state;
	put("/etc/hosts", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strv struct strv servers = STRV_INIT;
		struct profile p;

		if (rows[i].with_dhcp) {
			assert_ok(dhcp_parse(env, &lease, &err), &err);
			assert_ok(dhcp_note(&guest, "eth0", &lease, &err), &err);
			dhcp_lease_done(&lease);
		}
		put(PROFILE_FILE, rows[i].profile);
		profile_evaluate(&guest, &p);
		ntp_note(&guest, &p);
		assert_int_equal(ntp_servers(&guest, &servers), rows[i].first != NULL);
		if (rows[i].first)
			assert_string_equal(servers.items[0], rows[i].first);
		profile_done(&p);
	}
}

static void certificates_are_looked_at_again_when_a_name_or_a_file_changes(void **state)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_free char *profile = xasprintf("CERTDIR=%s/tls\n", guest.root);
	struct profile p;

	(void)state;
	put(PROFILE_FILE, profile);
	profile_evaluate(&guest, &p);
	strv_push(&names, "boot2docker");
	cleanup_free char *none = tls_stamp(&p, &names);

	put("/tls/server.pem", "a certificate");
	cleanup_free char *file = tls_stamp(&p, &names);
	cleanup_free char *same = tls_stamp(&p, &names);

	strv_push(&names, "10.0.2.15");
	cleanup_free char *name = tls_stamp(&p, &names);

	assert_string_not_equal(none, file);
	assert_string_equal(file, same);
	assert_string_not_equal(file, name);
	profile_done(&p);
}

static void large_logs_are_rotated_and_keep_their_file(void **state)
{
	struct stat before, after;
	cleanup_free char *path = guest_path(&guest, "/var/log/big.log");

	(void)state;
	put("/var/log/big.log", "0123456789");
	put("/var/log/small.log", "01");
	put("/var/log/big.txt", "0123456789");
	assert_int_equal(stat(path, &before), 0);
	cron_rotate(&guest, 5);
	assert_int_equal(stat(path, &after), 0);
	cleanup_free char *old = guest_read(&guest, "/var/log/big.log.1");
	cleanup_free char *small = guest_read(&guest, "/var/log/small.log");
	cleanup_free char *other = guest_read(&guest, "/var/log/big.txt");

	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_size, 0);
	assert_string_equal(old, "0123456789");
	assert_string_equal(small, "01");
	assert_string_equal(other, "0123456789");
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_guest, remove_root)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_root(a_lease_is_read),
		with_root(a_lease_without_a_usable_address_is_refused),
		with_root(hostile_values_of_a_lease_are_dropped),
		with_root(leases_of_all_interfaces_make_one_resolv_conf),
		with_root(without_a_profile_defaults_are_taken),
		with_root(the_profile_of_docker_machine_is_understood),
		with_root(the_profile_may_hold_any_shell),
		with_root(what_the_profile_exports_is_read_to_the_letter),
		with_root(a_profile_that_only_sets_variables_is_read_as_the_shell_does),
		cmocka_unit_test(a_profile_with_anything_else_is_the_shells),
		with_root(a_profile_with_a_syntax_error_means_defaults),
		with_root(an_endless_profile_is_bounded),
		with_root(a_folder_that_is_not_there_yet_will_be_on_its_parents_file_system),
		with_root(the_engine_is_told_what_the_profile_says),
		with_root(what_daemon_json_says_is_not_said_twice),
		with_root(host_names_are_checked),
		with_root(kernel_options_are_read),
		with_root(module_aliases_come_from_the_hardware_once),
		with_root(an_archive_of_the_host_is_taken_once),
		with_root(modules_that_are_built_in_are_not_asked_for),
		with_root(the_reserve_is_what_the_kernel_takes_without_huge_pages),
		with_root(device_messages_are_taken_apart),
		with_root(file_systems_are_let_go_latest_first),
		with_root(people_are_found_with_their_groups),
		with_root(kernel_parameters_are_written),
		with_root(the_kernel_is_told_when_to_stop_thrashing),
		with_root(a_stall_is_a_reason_to_panic_until_the_boot_is_over),
		with_root(time_servers_come_from_the_profile_then_dhcp_then_the_pool),
		with_root(certificates_are_looked_at_again_when_a_name_or_a_file_changes),
		with_root(large_logs_are_rotated_and_keep_their_file),
	};

	return cmocka_run_group_tests_name("guest parsers", tests, NULL, NULL);
}
