// SPDX-License-Identifier: Apache-2.0
// The host command's parts that need no machine: names, order, profile, disk magic, tables, accelerator, engine's answer.
#include "../unit/test.h"

#include "lib/contract.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"
#include "machine/console.h"
#include "machine/engine.h"
#include "machine/net.h"
#include "machine/owner.h"
#include "machine/processor.h"
#include "machine/profile.h"
#include "machine/provision.h"
#include "machine/qemu/internal.h"
#include "machine/qemu/qemu.h"
#include "machine/shell.h"
#include "machine/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_machine_names(void **state)
{
	static const char *const good[] = { "default", "a", "0", "m-1.example", "A..b", "x-" };
	static const char *const bad[] = { "", "-a", ".a", "..", "a/b", "a b", "a_b", "a\n", "\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(machine_name_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(machine_name_is_valid(bad[i]));
}

static void test_natural_order(void **state)
{
	static const char *const order[] = { "a",    "A1",   "a2",
					     "a10",  "a10b", "b",
					     "m002", "m10",  "m99999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		for (size_t j = 0; j < ARRAY_SIZE(order); j++) {
			int got = natural_compare(order[i], order[j]);
			assert_int_equal((got > 0) - (got < 0), (i > j) - (i < j));
		}
	assert_int_not_equal(natural_compare("m1", "M1"), 0);
	assert_int_not_equal(natural_compare("m1", "m01"), 0);
}

static void write_text(const char *dir, const char *name, const char *text)
{
	cleanup_free char *path = path_join(dir, name);
	struct error err = ERROR_INIT;

	assert_ok(file_replace_text(path, text, 0600, &err), &err);
}

static const char *choose(const char *dir, const char *device)
{
	cleanup_free char *kvm = path_join(dir, device);
	cleanup_free char *cpuinfo = path_join(dir, "cpuinfo");

	return accelerator_choose(kvm, cpuinfo);
}

static void test_kvm_needs_the_device_and_the_processor(void **state)
{
	cleanup_free char *dir = test_folder();
	struct error err = ERROR_INIT;

	(void)state;
	write_text(dir, "kvm", "");
	write_text(dir, "cpuinfo", "processor\t: 0\nflags\t\t: fpu vme svm sse\n");
	assert_string_equal(choose(dir, "kvm"), "kvm");
	assert_string_equal(choose(dir, "missing"), "tcg");
	write_text(dir, "cpuinfo", "flags\t\t: vmx\n");
	assert_string_equal(choose(dir, "kvm"), "kvm");
	write_text(dir, "cpuinfo", "processor\t: 0\nflags\t\t: fpu svm_lock nvmx vmxnet sse\nbugs\t\t: svm\n");
	assert_string_equal(choose(dir, "kvm"), "tcg");
	write_text(dir, "cpuinfo", "");
	assert_string_equal(choose(dir, "kvm"), "tcg");
	assert_ok(file_remove_tree(dir, &err), &err);
}

static void test_loops_per_jiffy_of_x86_alone(void **state)
{
	static const struct {
		const char *cpuinfo;
		unsigned long loops;
	} rows[] = {
		{ "processor\t: 0\nbogomips\t: 5199.85\nflags\t\t: fpu\n", 10398000 },
		{ "bogomips\t: 4000.00\n\nbogomips\t: 9.00\n", 8000000 },
		{ "BogoMIPS\t: 48.00\n", 0 }, // ARM's is of another clock
		{ "bogomips\t: 1.00\n", 0 },
		{ "bogomips\t: 1e300\n", 0 },
		{ "bogomips\t: nan\n", 0 },
		{ "bogomips\t: \n", 0 },
		{ "", 0 },
	};
	cleanup_free char *dir = test_folder();
	cleanup_free char *path = path_join(dir, "cpuinfo");
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(processor_loops_per_jiffy(path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_text(dir, "cpuinfo", rows[i].cpuinfo);
		assert_int_equal(processor_loops_per_jiffy(path), rows[i].loops);
	}
	assert_ok(file_remove_tree(dir, &err), &err);
}

static void test_profile_without_options(void **state)
{
	cleanup_buf struct buf profile = BUF_INIT;
	cleanup_json json_t *config = json_pack("{s:s}", "DriverName", "qemu");

	(void)state;
	profile_write(config, &profile);
	assert_string_equal(profile.data, "EXTRA_ARGS='\n"
					  "--label provider=qemu\n"
					  "\n"
					  "'\n"
					  "CACERT=/var/lib/boot2docker/ca.pem\n"
					  "DOCKER_HOST='-H tcp://0.0.0.0:2376'\n"
					  "DOCKER_STORAGE=overlay2\n"
					  "DOCKER_TLS=auto\n"
					  "SERVERKEY=/var/lib/boot2docker/server-key.pem\n"
					  "SERVERCERT=/var/lib/boot2docker/server.pem\n"
					  "\n");
}

static void test_profile_with_hostile_options(void **state)
{
	cleanup_buf struct buf profile = BUF_INIT;
	cleanup_json json_t *config =
		json_pack("{s:{s:{s:s,s:[s],s:[s,i]}}}", "HostOptions", "EngineOptions", "StorageDriver", "$(reboot)",
			  "Labels", "a'; reboot; '", "Env", "A=\"`$x\\", 7);

	(void)state;
	assert_non_null(config);
	profile_write(config, &profile);
	assert_contains(profile.data, "--label a'\\''; reboot; '\\''\n");
	assert_contains(profile.data, "DOCKER_STORAGE='$(reboot)'\n");
	assert_contains(profile.data, "export \"A=\\\"\\`\\$x\\\\\"\n");
}

static void test_magic_tar_fits_or_is_refused(void **state)
{
	cleanup_buf struct buf tar = BUF_INIT;
	cleanup_buf struct buf key = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(provision_magic_tar("ssh-ed25519 AAAA boot2docker\n", 0, &tar, &err), &err);
	assert_string_equal(tar.data, "boot2docker, please format-me");
	assert_true(tar.len <= 4096);
	assert_memory_equal(tar.data + 257, "ustar", 5);
	buf_clear(&tar);
	for (int i = 0; i < 600; i++)
		buf_putc(&key, 'k');
	assert_int_equal(provision_magic_tar(key.data, 0, &tar, &err), -E2BIG);
}

static void test_archive_of_a_born_machine(void **state)
{
	cleanup_buf struct buf plain = BUF_INIT, one = BUF_INIT, other = BUF_INIT, none = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(provision_magic_tar("ssh-ed25519 AAAA boot2docker\n", 0, &plain, &err), &err);
	assert_ok(provision_born(&plain, &plain, NULL, 0, &one, &err), &err);
	assert_ok(provision_born(&plain, &plain, NULL, 0, &other, &err), &err);
	assert_int_equal(one.len, PROVISION_BORN_LEN);
	assert_int_equal(other.len, PROVISION_BORN_LEN);
	assert_string_equal(one.data, "random-seed");
	assert_memory_equal(one.data, other.data, 512);
	assert_memory_not_equal(one.data + 512, other.data + 512, 64);
	// One archive: random-seed, userdata.tar, and what the plain one has.
	assert_string_equal(one.data + 1024, "userdata.tar");
	assert_string_equal(one.data + 1536 + plain.len, plain.data);
	for (size_t i = 0; i < PROVISION_BORN_LEN; i++)
		buf_putc(&plain, 'x');
	assert_int_equal(provision_born(&plain, NULL, NULL, 0, &none, &err), -E2BIG);
}

static void test_table_columns(void **state)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	strv_push(&lines, "N\tSTATE\tE");
	strv_push(&lines, "\xc3\xa4\xc3\xb6\xc3\xbc\tup\tlong error");
	table_layout(&lines, &text);
	assert_string_equal(text.data, "N     STATE   E\n"
				       "\xc3\xa4\xc3\xb6\xc3\xbc   up      long error\n");
}

static void parse_fails(const char *answer)
{
	struct error err = ERROR_INIT;
	char *version = NULL;

	assert_true(engine_parse_version(answer, strlen(answer), &version, &err) < 0);
	assert_null(version);
	assert_true(err.msg[0]);
}

static void test_engine_answers(void **state)
{
	static const char good[] = "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"Version\": \"26.1.5+dfsg1\"}\n";
	struct error err = ERROR_INIT;
	cleanup_free char *version = NULL;

	(void)state;
	assert_ok(engine_parse_version(good, strlen(good), &version, &err), &err);
	assert_string_equal(version, "26.1.5");
	parse_fails("");
	parse_fails("HTTP/1.");
	parse_fails("HTTP/1.0 200 OK\r\n");
	parse_fails("HTTP/1.0 200 OK\r\n\r\n");
	parse_fails("HTTP/1.0 200 OK\r\n\r\n{\"Version\": 26}");
	parse_fails("HTTP/1.0 200 OK\r\n\r\n{\"Version\": \"26.1");
	parse_fails("HTTP/1.0 403 Forbidden\r\n\r\n{\"Version\": \"26\"}");
	parse_fails("SSH-2.0-OpenSSH_10.0\r\n\r\n{\"Version\": \"26\"}");
}

static int parse_ping(const char *answer)
{
	struct error err = ERROR_INIT;
	int r = engine_parse_ping(answer, strlen(answer), &err);

	assert_int_equal(r < 0, err.msg[0] != '\0');
	return r;
}

static void test_pings(void **state)
{
	(void)state;
	assert_int_equal(parse_ping("HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\n\r\nOK"), 0);
	assert_int_equal(parse_ping(""), -EPROTO);
	assert_int_equal(parse_ping("HTTP/1.0 200 OK\r\n\r\n"), -EPROTO);
	assert_int_equal(parse_ping("HTTP/1.0 200 OK\r\n\r\nOK, and more"), -EPROTO);
	assert_int_equal(parse_ping("HTTP/1.0 500 Internal Server Error\r\n\r\nOK"), -EPROTO);
	assert_int_equal(parse_ping("SSH-2.0-OpenSSH_10.0\r\n\r\nOK"), -EPROTO);
}

static bool only_odd(int port, const void *arg)
{
	(void)arg;
	return port % 2 == 0;
}

static void test_free_ports(void **state)
{
	struct error err = ERROR_INIT;
	int port = 0;

	(void)state;
	assert_ok(net_free_port(40000, only_odd, NULL, &port, &err), &err);
	assert_true(port > 40000 && port % 2 == 1);
	assert_int_equal(net_free_port(65536, NULL, NULL, &port, &err), -EADDRINUSE);
}

static void test_unknown_shells_are_taken_as_sh(void **state)
{
	(void)state;
	assert_ptr_equal(shell_choose(NULL, "/usr/bin/zsh"), shell_choose("bash", NULL));
	assert_ptr_equal(shell_choose("", NULL), shell_choose("sh", NULL));
	assert_ptr_equal(shell_choose(NULL, "/bin/csh"), shell_choose("tcsh", "/bin/bash"));
	assert_ptr_not_equal(shell_choose("fish", NULL), shell_choose("sh", NULL));
}

static int has_pair(const struct strv *argv, const char *option, const char *value)
{
	for (size_t i = 0; i + 1 < argv->count; i++)
		if (strcmp(argv->items[i], option) == 0 && strcmp(argv->items[i + 1], value) == 0)
			return 1;
	return 0;
}

static void test_qemu_command_line(void **state)
{
	struct context ctx = { .program = "boot2docker", .storage_path = (char *)"/s,tore" };
	cleanup_machine struct machine *m = machine_new(&ctx, "m");
	cleanup_strv struct strv argv = STRV_INIT;

	(void)state;
	json_put(m->config, "Driver.IPAddress", json_string("127.0.0.1"));
	json_put(m->config, "Driver.SSHPort", json_integer(2200));
	json_put(m->config, "Driver.EnginePort", json_integer(2300));
	json_put(m->config, "Driver.CPU", json_integer(3));
	json_put(m->config, "Driver.Memory", json_integer(512));
	qemu_command(m, &(struct qemu_how){ .accelerator = "tcg", .provision = "/s,tore/p.tar" }, &argv);
	assert_true(has_pair(&argv, "-accel", "tcg"));
	assert_true(has_pair(&argv, "-cpu", "max"));
	assert_true(has_pair(&argv, "-smp", "3"));
	assert_true(has_pair(&argv, "-m", "512"));
	assert_true(has_pair(&argv, "-kernel", "/s,tore/machines/m/system/vmlinuz"));
	assert_true(has_pair(&argv, "-netdev",
			     "user,id=nat,hostfwd=tcp:127.0.0.1:2200-:22,hostfwd=tcp:127.0.0.1:2300-:2376"));
	assert_true(has_pair(&argv, "-fw_cfg", "name=opt/boot2docker/provision.tar,file=/s,,tore/p.tar"));
	assert_true(has_pair(&argv, "-qmp", "unix:/s,,tore/machines/m/qmp.sock,server=on,wait=off"));
	strv_done(&argv);
	json_put(m->config, "Driver.CPU", json_integer(-1));
	qemu_command(m, &(struct qemu_how){ .accelerator = "kvm" }, &argv);
	assert_true(has_pair(&argv, "-cpu", "host"));
	assert_false(has_pair(&argv, "-smp", "-1"));
	assert_false(strv_contains(&argv, "-fw_cfg"));
}

static char *words_of(bool is_new, struct virtiofsd_user user)
{
	struct virtiofsd v = { .program = (char *)"v", .is_new = is_new };
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_buf struct buf line = BUF_INIT;

	qemu_virtiofsd_command(&v, "/a, \\b", &user, &argv);
	for (size_t i = 0; i < argv.count; i++)
		buf_printf(&line, "%s|", argv.items[i]);
	return buf_steal(&line);
}

static void test_virtiofsd_command_line(void **state)
{
	struct virtiofsd_user root = { .uid = 0, .has_namespaces = true }, user = { .uid = 501, .gid = 20 },
			      odd = { .uid = 1000, .gid = 0, .has_namespaces = true };
	cleanup_free char *older = words_of(false, root);
	cleanup_free char *newer = words_of(true, root);
	cleanup_free char *of_user = words_of(true, user);
	cleanup_free char *of_odd = words_of(true, odd);

	(void)state;
	assert_string_equal(older, "v|--fd=200|-o|source=/a\\, \\\\b|");
	assert_string_equal(newer, "v|--fd=200|--shared-dir=/a, \\b|");
	assert_string_equal(of_user,
			    "v|--fd=200|--shared-dir=/a, \\b|--sandbox=none|"
			    "--translate-uid|squash-guest:0:501:4294967295|--translate-uid|host:501:1000:1|"
			    "--translate-uid|squash-host:0:65534:501|--translate-uid|squash-host:502:65534:4294966793|"
			    "--translate-gid|squash-guest:0:20:4294967295|--translate-gid|host:20:50:1|"
			    "--translate-gid|squash-host:0:65534:20|--translate-gid|squash-host:21:65534:4294967274|");
	assert_contains(of_odd, "|--sandbox=namespace|--translate-uid|squash-guest:0:1000:4294967295|");
	assert_contains(of_odd, "|--translate-gid|host:0:50:1|--translate-gid|squash-host:1:65534:4294967294|");
}

static char *essence_of(const struct machine *m, bool incoming)
{
	cleanup_strv struct strv argv = STRV_INIT, essence = STRV_INIT;
	cleanup_buf struct buf line = BUF_INIT;

	qemu_command(m, &(struct qemu_how){ .accelerator = "kvm", .incoming = incoming }, &argv);
	qemu_essence(&argv, &essence);
	for (size_t i = 0; i < essence.count; i++)
		buf_printf(&line, "%s|", essence.items[i]);
	return buf_steal(&line);
}

static void test_a_saved_machine_has_its_ports_and_no_virtiofs(void **state)
{
	struct context ctx = { .program = "boot2docker", .storage_path = (char *)"/store" };
	cleanup_machine struct machine *m = machine_new(&ctx, "m");

	(void)state;
	json_put(m->config, "Driver.ShareType", json_string("virtiofs"));
	json_put(m->config, "Driver.Shares", json_pack("[{s:s,s:s}]", "Path", "/usr", "Name", "x"));
	cleanup_free char *booted = essence_of(m, false);
	cleanup_free char *resumed = essence_of(m, true);
	assert_string_equal(booted, resumed);
	assert_contains(booted, "|-device|pcie-root-port,id=port0,chassis=1,slot=1|");
	assert_null(strstr(booted, "vhost-user-fs-pci"));
}

static void test_panics_of_the_console(void **state)
{
	static const struct {
		const char *console;
		bool has_panic;
	} cases[] = {
		{ "hello\n", false },
		{ "Oops: int3: 0000 [#1]\nKernel panic - not syncing: Fatal exception\nhello\n", false },
		{ "rcu: INFO: rcu_sched detected stalls\nKernel panic - not syncing: RCU Stall\nhello\n", false },
		{ "Kernel panic - not syncing: VFS: Unable to mount root fs\n", true },
		{ "Oops: int3: 0000\nKernel panic - not syncing\nOops: int3: 0000\nKernel panic - not syncing\n"
		  "Oops: int3: 0000\nKernel panic - not syncing\n",
		  true },
	};
	cleanup_free char *dir = test_folder();
	struct context ctx = { .program = "boot2docker", .storage_path = dir };
	cleanup_machine struct machine *m = machine_new(&ctx, "m");
	struct error err = ERROR_INIT;

	(void)state;
	m->driver = &qemu_driver;
	assert_ok(file_mkdirs(m->dir, 0700, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_text(m->dir, "console.log", cases[i].console);
		assert_int_equal(console_has_panic(m), cases[i].has_panic);
	}
	assert_ok(file_remove_tree(dir, &err), &err);
}

static void test_what_a_guest_has_said(void **state)
{
	static const char start[] = "a kernel\0's zero\nThis machine is born\n";
	cleanup_free char *dir = test_folder();
	struct context ctx = { .program = "boot2docker", .storage_path = dir };
	cleanup_machine struct machine *m = machine_new(&ctx, "m");
	cleanup_buf struct buf console = BUF_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_ok(file_mkdirs(m->dir, 0700, &err), &err);
	cleanup_free char *path = machine_path(m, "console.log");
	assert_false(qemu_has_said(m, CONTRACT_BORN)); // nothing at all
	buf_add(&console, start, sizeof(start) - 1);
	assert_ok(file_replace(path, console.data, console.len, 0600, &err), &err);
	assert_true(qemu_has_said(m, CONTRACT_BORN));
	assert_false(qemu_has_said(m, CONTRACT_NOT_BORN));
	while (console.len < 9 << 20)
		buf_puts(&console, "and it has talked without end since then\n");
	assert_ok(file_replace(path, console.data, console.len, 0600, &err), &err);
	assert_true(qemu_has_said(m, CONTRACT_BORN));
	assert_ok(file_remove_tree(dir, &err), &err);
}

// What the child of an owner sees of itself and of a file of ours: 0 when it is all the guest's user docker's.
static int enter_and_look(const char *dir)
{
	cleanup_free char *path = path_join(dir, "ours");
	struct owner owner;
	struct stat st;

	owner_plan(geteuid(), getegid(), &owner);
	if (owner_enter(&owner) < 0 || getuid() != 1000 || getgid() != 50)
		return 1;
	if (stat(path, &st) < 0 || st.st_uid != 1000 || st.st_gid != 50)
		return 2;
	return creat("theirs", 0644) < 0 ? 3 : 0;
}

static void test_our_files_are_dockers(void **state)
{
	cleanup_free char *dir = test_folder();
	cleanup_free char *theirs = path_join(dir, "theirs");
	struct error err = ERROR_INIT;
	struct stat st;
	int status;

	(void)state;
	assert_true(owner_matters(501));
	assert_false(owner_matters(1000));
	assert_false(owner_matters(0));
	if (!owner_allowed()) // by the kernel of whoever runs the tests
		return;
	write_text(dir, "ours", "");
	pid_t pid = fork();
	if (pid == 0)
		_exit(chdir(dir) < 0 ? 4 : enter_and_look(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(stat(theirs, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_ok(file_remove_tree(dir, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_names),
		cmocka_unit_test(test_natural_order),
		cmocka_unit_test(test_kvm_needs_the_device_and_the_processor),
		cmocka_unit_test(test_loops_per_jiffy_of_x86_alone),
		cmocka_unit_test(test_profile_without_options),
		cmocka_unit_test(test_profile_with_hostile_options),
		cmocka_unit_test(test_magic_tar_fits_or_is_refused),
		cmocka_unit_test(test_archive_of_a_born_machine),
		cmocka_unit_test(test_table_columns),
		cmocka_unit_test(test_engine_answers),
		cmocka_unit_test(test_pings),
		cmocka_unit_test(test_free_ports),
		cmocka_unit_test(test_unknown_shells_are_taken_as_sh),
		cmocka_unit_test(test_panics_of_the_console),
		cmocka_unit_test(test_what_a_guest_has_said),
		cmocka_unit_test(test_qemu_command_line),
		cmocka_unit_test(test_virtiofsd_command_line),
		cmocka_unit_test(test_a_saved_machine_has_its_ports_and_no_virtiofs),
		cmocka_unit_test(test_our_files_are_dockers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
