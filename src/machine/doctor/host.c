// SPDX-License-Identifier: Apache-2.0
// What the doctor looks at on the host; see doctor.h.
#include "doctor.h"

#include "../context.h"
#include "../docker-context.h"
#include "../owner.h"
#include "../processor.h"
#include "../store.h"
#include "lib/alloc.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { ROOM_WRONG_MB = 300, ROOM_NOTE_MB = 3000 };

// The programs that we run: which ones, what for, and what it means when one is missing.
static const struct program {
	const char *name, *version_flag;
	enum finding missing;
	const char *consequence;
} programs[] = {
	{ "qemu-system-x86_64", "--version", FINDING_WRONG,
	  "no machine can be made; install it (Debian: qemu-system-x86)" },
	{ "qemu-img", "--version", FINDING_WRONG, "no disk can be made; install it (Debian: qemu-utils)" },
	{ "ssh", "-V", FINDING_WRONG, "machines cannot be reached; install it (Debian: openssh-client)" },
	{ "ssh-keygen", NULL, FINDING_WRONG, "no keys can be made; install it (Debian: openssh-client)" },
	{ "docker", "--version", FINDING_NOTE,
	  "there is no docker client here (Debian: docker-cli); \"ssh NAME docker …\" has one" },
	{ "rsync", NULL, FINDING_NOTE, "scp --delta needs it (Debian: rsync)" },
	{ "sshfs", NULL, FINDING_NOTE, "mount needs it (Debian: sshfs)" },
};

// The first line that the program says of itself.
static char *version_of(const char *path, const char *flag)
{
	cleanup_buf struct buf text = BUF_INIT;
	const char *argv[] = { path, flag, NULL };
	struct proc_spec spec = { .argv = argv,
				  .out = PROC_CAPTURE,
				  .errs = PROC_CAPTURE, // ssh -V
				  .out_buf = &text,
				  .err_buf = &text,
				  .timeout_ms = 10 * 1000,
				  .own_group = true };

	if (!flag || proc_run(&spec, NULL) < 0)
		return xstrdup(path);
	return xstrndup(buf_str(&text), strcspn(buf_str(&text), "\n"));
}

static void look_at_programs(struct report *r)
{
	cleanup_free char *virtualbox = NULL;
	bool other = proc_find("VBoxManage", &virtualbox, NULL) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const struct program *p = &programs[i];
		cleanup_free char *path = NULL;
		bool qemu = strncmp(p->name, "qemu", 4) == 0;
		if (proc_find(p->name, &path, NULL) < 0) {
			report_line(r, qemu && other ? FINDING_NOTE : p->missing, p->name, "not installed: %s",
				    p->consequence);
			continue;
		}
		cleanup_free char *version = version_of(path, p->version_flag);
		report_line(r, FINDING_OK, p->name, "%s", version);
	}
	if (other)
		report_line(r, FINDING_OK, "VBoxManage", "%s", virtualbox);
}

const char *doctor_why_no_kvm(const char *kvm_device, const char *cpuinfo)
{
	cleanup_close int fd = open(kvm_device, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return "/dev/kvm is there, but not for you: sudo usermod -aG kvm $USER, and log in anew";
	if (!processor_virtualizes(cpuinfo))
		return "the processor shows neither vmx nor svm: switch virtualization on in the firmware, or, where "
		       "this host "
		       "is a VM itself, nested virtualization in its host";
	if (fd < 0)
		return "/dev/kvm cannot be opened: load the kernel module (sudo modprobe kvm_intel or kvm_amd)";
	return NULL;
}

static void look_at_accelerator(struct report *r)
{
	const char *why = doctor_why_no_kvm("/dev/kvm", "/proc/cpuinfo");

	if (why)
		report_line(r, FINDING_NOTE, "accelerator", "TCG, which is slow: %s", why);
	else
		report_line(r, FINDING_OK, "accelerator", "KVM");
}

static void look_at_shares(struct report *r)
{
	if (!owner_matters(geteuid()) || owner_allowed())
		report_line(r, FINDING_OK, "shares", "your files in them are docker's in a QEMU machine");
	else
		report_line(r, FINDING_NOTE, "shares",
			    "your files in them keep the owner %u in a QEMU machine, where docker (1000) needs sudo to "
			    "write them: this host allows no user namespaces",
			    (unsigned)geteuid());
}

// The store, or the nearest folder above it that is there.
static char *existing_folder(const char *path)
{
	char *at = xstrdup(path);

	while (access(at, F_OK) < 0 && strcmp(at, "/") != 0) {
		char *above = path_dir(at);
		free(at);
		at = above;
	}
	return at;
}

static void look_at_store(const struct context *ctx, struct report *r)
{
	cleanup_free char *folder = existing_folder(ctx->storage_path);
	struct statvfs fs;

	if (access(folder, W_OK | X_OK) < 0)
		report_line(r, FINDING_WRONG, "store",
			    "%s cannot be written: %s; make it yours, or use --storage-path DIR", folder,
			    strerror(errno));
	else
		report_line(r, FINDING_OK, "store", "%s", ctx->storage_path);
	if (statvfs(folder, &fs) < 0)
		return;
	unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	enum finding finding = mb < ROOM_WRONG_MB ? FINDING_WRONG : mb < ROOM_NOTE_MB ? FINDING_NOTE : FINDING_OK;
	report_line(r, finding, "disk space", "%llu MB free in %s%s", mb, folder,
		    finding == FINDING_OK ? "" : ": make room, or use --storage-path DIR on another disk");
}

static void look_at_key(const char *path, struct report *r)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (st.st_uid != geteuid())
		report_line(r, FINDING_WRONG, "permissions", "%s is not yours: chown it", path);
	else if (st.st_mode & 077)
		report_line(r, FINDING_WRONG, "permissions", "%s can be read by others: chmod 600 %s", path, path);
}

static void look_at_keys(const struct context *ctx, struct report *r)
{
	static const char *const keys[] = { "id_rsa", "key.pem", "server-key.pem" };
	cleanup_strv struct strv names = STRV_INIT;
	int before = r->wrong;

	look_at_key(ctx->ca_key, r);
	look_at_key(ctx->client_key, r);
	if (machine_list(ctx, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			cleanup_free char *path =
				xasprintf("%s/machines/%s/%s", ctx->storage_path, names.items[i], keys[k]);
			look_at_key(path, r);
		}
	if (r->wrong == before)
		report_line(r, FINDING_OK, "permissions", "keys are for you alone");
}

static void look_at_variables(struct report *r)
{
	cleanup_free char *current = docker_context_current();
	const char *host = getenv("DOCKER_HOST");
	const char *machine = getenv("DOCKER_MACHINE_NAME");

	if (host && *host)
		report_line(r, FINDING_OK, "this shell", "its docker client talks to %s%s%s", host,
			    machine ? ", machine " : "", machine ? machine : "");
	else if (*current)
		report_line(r, FINDING_OK, "this shell", "its docker client uses the context \"%s\"", current);
	else
		report_line(r, FINDING_NOTE, "this shell",
			    "its docker client talks to no machine: eval \"$(boot2docker env NAME)\", "
			    "or boot2docker use NAME");
}

void doctor_host(const struct context *ctx, struct report *r)
{
	report_title(r, "Host");
	look_at_programs(r);
	look_at_accelerator(r);
	look_at_shares(r);
	look_at_store(ctx, r);
	look_at_keys(ctx, r);
	look_at_variables(r);
}
