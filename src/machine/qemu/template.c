// SPDX-License-Identifier: Apache-2.0
// Making a template, from which machines of its kind are born; see internal.h.
//
// Theory of operation. A template is a machine without an identity that was saved: machine.state, saved.json and disk.qcow2 in a folder
// of the cache. It boots with certificates of a CA of its own, whose key nobody keeps, and with a user's key that nobody keeps; a
// machine that is born from it is given its own before anybody can reach it. The guest says on its console when it may be saved
// (src/guest/template.h).
#include "internal.h"

#include "../console.h"
#include "../key.h"
#include "../provision.h"
#include "../run.h"
#include "../wait.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	READY_TIMEOUT_MS = 5 * 60 * 1000,
	PAUSE_MS = 20,
	CERT_DAYS = 1080,
	CONSOLE_MAX = 8 << 20,
	IDLE_MB = 1024 /* of 2 GB some 300 are in use */
};

struct machine *qemu_template(const struct machine *m, const char *folder)
{
	struct machine *t = machine_new(m->ctx, "template");

	free(t->dir);
	t->dir = xstrdup(folder);
	json_decref(t->config);
	t->config = json_deep_copy(m->config);
	json_put(t->config, "Driver.SSHPort", json_integer(0)); // the machine's own are not for the template
	json_put(t->config, "Driver.EnginePort", json_integer(0));
	t->driver = m->driver;
	return t;
}

static int make_certificates(const struct machine *t, struct error *err)
{
	cleanup_free char *ca = machine_path(t, "ca.pem");
	cleanup_free char *ca_key = machine_path(t, "ca-key.pem");
	cleanup_free char *cert = machine_path(t, "server.pem");
	cleanup_free char *key = machine_path(t, "server-key.pem");
	cleanup_strv struct strv names = STRV_INIT;
	const struct pki_ca_spec authority = { ca, ca_key, "boot2docker template", time(NULL), CERT_DAYS };
	const struct pki_cert_spec server = { .ca_cert_path = ca,
					      .ca_key_path = ca_key,
					      .cert_path = cert,
					      .key_path = key,
					      .organization = authority.organization,
					      .role = PKI_SERVER,
					      .names = &names,
					      .now = authority.now,
					      .days = CERT_DAYS };

	strv_push(&names, "template");
	int r = pki_make_ca(&authority, err);
	return r < 0 ? r : pki_make_cert(&server, err);
}

static int make_archive(const struct machine *t, const char *path, struct error *err)
{
	cleanup_buf struct buf plain = BUF_INIT, archive = BUF_INIT;
	int r = provision_tar(t, false, time(NULL), &plain, err);

	if (r == 0)
		r = provision_born(&plain, NULL, NULL, time(NULL), &archive, err);
	return r < 0 ? r : file_replace(path, archive.data, archive.len, 0600, err);
}

// What the guest wrote first: a guest that waits for its birth, or is born, says so long before it has written so much.
static void read_console(const struct machine *m, struct buf *ret)
{
	cleanup_free char *path = qemu_console_path(m);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[65536];
	ssize_t n;

	while (fd >= 0 && ret->len < CONSOLE_MAX && (n = read(fd, part, sizeof(part))) > 0)
		buf_add(ret, part, (size_t)n);
}

// What follows `start` on its line, or NULL. The caller frees.
static char *find_line(const struct machine *m, const char *start)
{
	cleanup_buf struct buf text = BUF_INIT;

	read_console(m, &text);
	const char *at = memmem(buf_str(&text), text.len, start, strlen(start)); // there may be zeros among it

	return at ? xasprintf("%.*s", (int)strcspn(at + strlen(start), "\r\n"), at + strlen(start)) : NULL;
}

bool qemu_has_said(const struct machine *m, const char *line)
{
	cleanup_free char *rest = find_line(m, line);

	return rest != NULL;
}

// Why the line will never come.
static int check_guest(const struct machine *m, const char *trouble, struct error *err)
{
	cleanup_close int pidfd = -1;
	cleanup_free char *told = trouble ? find_line(m, trouble) : NULL;

	if (told)
		return error_say(err, EIO, "%.400s", told);
	if (console_has_panic(m))
		return error_say(err, ESHUTDOWN, "its kernel panicked");
	if (qemu_process_find(m, &pidfd, NULL) > 0)
		return 0;
	cleanup_free char *words = qemu_last_words(m);
	return error_say(err, ESHUTDOWN, "its QEMU ended: %.300s", words ? words : "it said nothing");
}

int qemu_wait_word(const struct machine *m, const char *what, const char *line, const char *trouble, int timeout_ms,
		   struct error *err)
{
	int64_t deadline = clock_ms() + wait_patiently(timeout_ms);
	cleanup_free char *found = NULL;
	struct wait w;
	int r = 0;

	wait_begin(&w, what);
	while (r == 0 && !(found = find_line(m, line))) {
		r = interrupt_check(err);
		if (r == 0)
			r = check_guest(m, trouble, err);
		if (r == 0 && clock_ms() >= deadline)
			r = error_say(err, ETIMEDOUT, "%s did not come within %d s ($B2D_READY_TIMEOUT)", what,
				      wait_patiently(timeout_ms) / 1000);
		wait_tick(&w);
		clock_sleep_ms(PAUSE_MS);
	}
	wait_end(&w);
	return r;
}

// What the template was made with.
static int clean(const struct machine *t, struct error *err)
{
	static const char *const files[] = { "ca-key.pem", "ca.pem",   "server.pem",    "server-key.pem", "id_rsa",
					     "id_rsa.pub", "qemu.log", "provision.tar", "console.log",    "shares",
					     "system",     "qemu.pid", "qmp.sock" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		cleanup_free char *path = machine_path(t, files[i]);
		r = file_unlink(path, err);
	}
	return r;
}

static int boot_and_save(struct machine *t, const char *accelerator, struct error *err)
{
	cleanup_free char *archive = machine_path(t, "provision.tar");
	struct qemu_how how = { .accelerator = accelerator, .provision = archive, .template = true };
	cleanup_qmp struct qmp q = QMP_INIT;
	int r = make_archive(t, archive, err);

	if (r == 0)
		r = qemu_shares_prepare(t, err);
	if (r == 0)
		r = qemu_launch(t, &how, &q, err);
	qmp_close(&q);
	if (r == 0)
		r = qemu_wait_word(t, "the template's engine", CONTRACT_TEMPLATE_READY, NULL, READY_TIMEOUT_MS, err);
	if (r == 0)
		r = qemu_save_state(t, err);
	return r;
}

int qemu_make_template(const struct machine *m, const char *folder, const char *accelerator, struct error *err)
{
	cleanup_machine struct machine *t = qemu_template(m, folder);
	cleanup_free char *system = machine_path(m, "system");
	cleanup_free char *link = machine_path(t, "system");

	qemu_end(t); // of a command that was killed
	int r = file_remove_tree(folder, err);
	if (r == 0)
		r = file_mkdirs(folder, 0700, err);
	if (r == 0 && symlink(system, link) < 0)
		r = error_set(err, errno, "make %s", link);
	if (r == 0)
		r = qemu_check_space(t, IDLE_MB, "a template of its kind", "", err);
	if (r == 0)
		r = make_certificates(t, err);
	if (r == 0)
		r = key_make(t, err);
	if (r == 0)
		r = qemu_make_disk(t, err);
	if (r == 0)
		r = boot_and_save(t, accelerator, err);
	qemu_end(t);
	return r < 0 ? r : clean(t, err);
}
