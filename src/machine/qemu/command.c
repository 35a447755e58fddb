// SPDX-License-Identifier: Apache-2.0
// QEMU's command line, from config.json; see internal.h.
#include "internal.h"

#include "../processor.h"
#include "initrd.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "system.h"

#include <string.h>
#include <sys/un.h>

static const char PROVISION[] = "name=" CONTRACT_PROVISION ",file=";

char *qemu_escaped(const char *value)
{
	struct buf b = BUF_INIT;

	for (; *value; value++) {
		buf_putc(&b, *value);
		if (*value == ',')
			buf_putc(&b, ',');
	}
	return buf_steal(&b);
}

static char *escaped_path(const struct machine *m, const char *file)
{
	cleanup_free char *path = machine_path(m, file);

	return qemu_escaped(path);
}

static int cpu_count(const struct machine *m)
{
	int count = (int)json_int_at(m->config, "Driver.CPU", 1);
	long all = sysconf(_SC_NPROCESSORS_ONLN);

	if (count > 0)
		return count;
	return all > 0 ? (int)all : 1;
}

char *qemu_socket_argument(const struct machine *m)
{
	cleanup_free char *path = machine_path(m, "qmp.sock");

	return strlen(path) < sizeof((struct sockaddr_un){ 0 }.sun_path) ? take_ptr(path) : xstrdup("qmp.sock");
}

static void add(struct strv *argv, const char *option, const char *value)
{
	strv_push(argv, option);
	strv_push(argv, value);
}

static bool has_display(const struct machine *m)
{
	return json_bool_at(m->config, "Driver.Display", false);
}

static void add_processor(const struct machine *m, const char *accelerator, bool emulated, struct strv *argv)
{
	int memory = (int)json_int_at(m->config, "Driver.Memory", 1024);

	add(argv, "-machine", "q35");
	add(argv, "-accel", accelerator);
	add(argv, "-cpu", emulated ? "max" : "host");
	strv_push(argv, "-smp");
	strv_pushf(argv, "%d", cpu_count(m));
	strv_push(argv, "-m");
	strv_pushf(argv, "%d", memory);
	qemu_virtiofs_memory_command(m, memory, argv);
}

// QEMU's small firmware for a kernel that is handed over, in the data folder beside `program`; NULL where there is none.
static char *find_small_firmware(const char *program)
{
	cleanup_free char *found = NULL;
	cleanup_free char *bin = NULL;
	cleanup_free char *ret = NULL;

	if (proc_find(program, &found, NULL) < 0)
		return NULL;
	bin = path_dir(found);
	ret = path_join(bin, "../share/qemu/qboot.rom");
	return file_exists(ret) ? take_ptr(ret) : NULL;
}

// Its half second less than SeaBIOS' second and a half is an emulated processor's; with a real one both take no time.
static void add_firmware(const char *program, bool emulated, struct strv *argv)
{
	cleanup_free char *firmware = emulated ? find_small_firmware(program) : NULL;

	if (firmware)
		add(argv, "-bios", firmware);
}

// What keeps a processor from speculating has no meaning in an emulated one, and costs a seventh of the start there:
// mitigations=off. Why it may panic there, and should when a processor stands still, see console.c; the guest takes that wish back when it
// has booted. QEMU before 8.0 spoils the flags after cmpxchg16b, for which the kernel's allocator has another way: clearcpuid (doc/kernel.md).
// Programs still see the instruction. An emulated processor does not say that its time stamp counter is steady, so the kernel would
// measure its second processor's delays, for 0.06 s: lpj.
static void add_emulated_options(struct buf *line)
{
	unsigned long loops = processor_loops_per_jiffy("/proc/cpuinfo");

	buf_puts(line, " mitigations=off clearcpuid=cx16 panic=1 sysctl.kernel." CONTRACT_STALL_PANIC "=1");
	if (loops)
		buf_printf(line, " lpj=%lu", loops);
}

// The kernel is handed over: no boot loader, no reading from a CD.
static void add_kernel(const struct machine *m, const struct qemu_how *how, bool emulated, struct strv *argv)
{
	cleanup_free char *unpacked = system_path(m, "vmlinux");
	cleanup_free char *packed = system_path(m, SYSTEM_KERNEL);
	cleanup_free char *initrd = system_path(m, SYSTEM_INITRD);

	// Unpacking itself takes the kernel a second in an emulated processor, and nothing to speak of in a real one, where it
	// also moves itself to a random address.
	add(argv, "-kernel", emulated && file_exists(unpacked) ? unpacked : packed);
	add(argv, "-initrd", initrd);
	strv_push(argv, "-append");
	// The last console is where PID 1 writes.
	// An emulated timer under load can fail the kernel's check of it, which then panics: no_timer_check.
	cleanup_buf struct buf line = BUF_INIT;

	buf_printf(&line, "%sconsole=ttyS0 quiet no_timer_check", has_display(m) ? "console=tty0 " : "");
	if (emulated)
		add_emulated_options(&line);
	if (how->template)
		buf_puts(&line, " " CONTRACT_TEMPLATE);
	strv_push(argv, buf_str(&line));
}

static void add_disk(const struct machine *m, struct strv *argv)
{
	cleanup_free char *disk = escaped_path(m, "disk.qcow2");

	strv_push(argv, "-drive");
	strv_pushf(argv, "if=none,id=disk,format=qcow2,file=%s,discard=unmap,detect-zeroes=unmap", disk);
	add(argv, "-device", "virtio-blk-pci,drive=disk");
}

// After the data disk, which is the guest's first. All machines of an image have the same files.
static void add_layers(const struct machine *m, struct strv *argv)
{
	cleanup_strv struct strv layers = STRV_INIT;

	system_layers(m, &layers);
	for (size_t i = 0; i < layers.count; i++) {
		cleanup_free char *path = system_path(m, layers.items[i]);
		cleanup_free char *file = qemu_escaped(path);
		cleanup_free char *serial = initrd_layer_serial(layers.items[i]);

		strv_push(argv, "-drive");
		strv_pushf(argv, "if=none,id=layer%zu,format=raw,readonly=on,file=%s", i, file);
		strv_push(argv, "-device");
		strv_pushf(argv, "virtio-blk-pci,drive=layer%zu,serial=%s", i, serial);
	}
}

static void add_consoles(const struct machine *m, struct strv *argv)
{
	cleanup_free char *log = escaped_path(m, "console.log");
	cleanup_free char *socket = qemu_socket_argument(m);
	cleanup_free char *socket_value = qemu_escaped(socket);

	strv_push(argv, "-chardev");
	strv_pushf(argv, "file,id=console,append=on,path=%s", log);
	add(argv, "-serial", "chardev:console");
	if (has_display(m))
		add(argv, "-vga", "std");
	else
		add(argv, "-display", "none");
	strv_push(argv, "-qmp");
	strv_pushf(argv, "unix:%s,server=on,wait=off", socket_value);
}

void qemu_command(const struct machine *m, const struct qemu_how *how, struct strv *ret)
{
	cleanup_free char *pid_file = machine_path(m, "qemu.pid");
	cleanup_free char *name = qemu_escaped(m->name);
	const char *program = json_str_at(m->config, "Driver.Program", "qemu-system-x86_64");
	bool emulated = strcmp(how->accelerator, "tcg") == 0;

	strv_push(ret, program);
	strv_push(ret, "-name");
	strv_pushf(ret, "boot2docker-%s", name);
	strv_push(ret, "-nodefaults");
	strv_push(ret, "-no-user-config");
	add_processor(m, how->accelerator, emulated, ret);
	add_firmware(program, emulated, ret);
	add_kernel(m, how, emulated, ret);
	add_disk(m, ret);
	add_layers(m, ret);
	qemu_network_command(m, !how->incoming, ret);
	add(ret, "-device", "virtio-rng-pci");
	// Memory that the guest has freed goes back to the host, and is not saved with the machine.
	add(ret, "-device", "virtio-balloon-pci,free-page-reporting=on");
	add_consoles(m, ret);
	qemu_shares_command(m, !how->incoming, ret);
	if (how->provision) {
		cleanup_free char *file = qemu_escaped(how->provision);
		strv_push(ret, "-fw_cfg");
		strv_pushf(ret, "%s%s", PROVISION, file);
	}
	if (how->incoming)
		add(ret, "-incoming", "defer");
	add(ret, "-pidfile", pid_file);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

void qemu_essence(const struct strv *argv, struct strv *ret)
{
	size_t first = 0;

	// A program that is a script has its interpreter before it.
	while (first < argv->count && strcmp(argv->items[first], "-name") != 0)
		first++;
	for (size_t i = first; i < argv->count; i++) {
		const char *word = argv->items[i];
		const char *value = i + 1 < argv->count ? argv->items[i + 1] : "";
		if (strcmp(word, "-incoming") == 0 || (strcmp(word, "-fw_cfg") == 0 && starts_with(value, PROVISION)) ||
		    qemu_virtiofs_is_plugged(word, value))
			i++;
		else if (starts_with(word, QEMU_USER_NETWORK))
			strv_push(ret, QEMU_USER_NETWORK);
		else
			strv_push(ret, word);
	}
}
