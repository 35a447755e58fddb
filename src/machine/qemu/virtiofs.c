// SPDX-License-Identifier: Apache-2.0
// Shares that virtiofsd serves, one process a share; see internal.h.
//
// Theory of operation. virtiofsd reads and writes the guest's memory itself, which is therefore shared (memory-backend-memfd), and
// is told where by QEMU, through one connection. We make that connection before either runs: virtiofsd gets the socket that
// listens, with our end in its queue already, and QEMU inherits our end as a number of its own. So no socket has a name that
// somebody else could connect to, nothing is waited for, and no server is ever left over: it ends when its connection does,
// whatever ended QEMU, or us before there was a QEMU. Nor is there a pid that could be somebody else's by the time it is used.
//
// There are two virtiofsd. The older one, in C, came with QEMU until 7.2. It takes on the guest's user for whatever that creates, which
// only root can; in a user namespace it would need both of ours and root's numbers. The newer one, in Rust, can translate owners
// since 1.13: run by an ordinary user, all that the guest writes is that user's, whose files are docker's in the guest, as with 9p
// (../owner.h).
//
// QEMU saves no machine that has such a device (before 8.2; and later only with what virtiofsd makes of it). So each is behind a port
// of its own, where it can be unplugged: `save` does that when the guest has unmounted its shares, and `start` plugs them in again.
#include "internal.h"

#include "../owner.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FIRST_FD = 200, // of the connections in QEMU: above all that we have open
	SERVER_FD = 200, // of the socket in virtiofsd
	QUEUE_SIZE = 1024,
	HELP_TIMEOUT_MS = 10 * 1000,
	END_TIMEOUT_MS = 2000,
	UNPLUG_TIMEOUT_MS = 15 * 1000,
	PAUSE_MS = 10,
	NOBODY = 65534,
};
static const char LOG[] = "virtiofsd.log";

#define cleanup_virtiofsd CLEANUP(virtiofsd_done)
static void virtiofsd_done(struct virtiofsd *v)
{
	free(v->program);
}

bool qemu_uses_virtiofs(const struct machine *m)
{
	return qemu_has_shares(m) && strcmp(json_str_at(m->config, "Driver.ShareType", "9p"), "virtiofs") == 0;
}

// --- the program ---

static const char *const places[] = { "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd" };

// Can this program serve our files? The error says why not.
static int probe(const char *path, bool is_root, struct virtiofsd *ret, struct error *err)
{
	cleanup_buf struct buf help = BUF_INIT;
	const char *argv[] = { path, "--help", NULL };
	struct proc_spec spec = { .argv = argv,
				  .out = PROC_CAPTURE,
				  .errs = PROC_CAPTURE,
				  .out_buf = &help,
				  .err_buf = &help,
				  .timeout_ms = HELP_TIMEOUT_MS,
				  .own_group = true };

	int r = proc_run(&spec, err);
	if (r < 0)
		return r;
	bool is_new = strstr(buf_str(&help), "--shared-dir");
	if (!is_new && !strstr(buf_str(&help), "source=PATH"))
		return error_say(err, ENOEXEC, "%s is no virtiofsd", path);
	if (!is_root && !strstr(buf_str(&help), "--translate-uid"))
		return error_say(err, EPERM, "%s can serve files for root only (from version 1.13 on for others, too)",
				 path);
	*ret = (struct virtiofsd){ .program = xstrdup(path), .is_new = is_new };
	return 0;
}

static int find(struct virtiofsd *ret, struct error *err)
{
	cleanup_free char *on_path = NULL;
	bool is_root = geteuid() == 0;
	int r = proc_find("virtiofsd", &on_path, err);

	if (r == 0)
		r = probe(on_path, is_root, ret, err);
	for (size_t i = 0; r < 0 && i < ARRAY_SIZE(places); i++)
		if (access(places[i], X_OK) == 0) {
			error_clear(err);
			r = probe(places[i], is_root, ret, err);
		}
	if (r == 0) {
		error_clear(err);
		return 0;
	}
	return error_say(err, err->code,
			 "shares by virtiofs: %.400s; install virtiofsd (Debian 13 and later: virtiofsd), or make the "
			 "machine with --qemu-share-type 9p, which needs nothing",
			 err->msg);
}

int qemu_virtiofs_check(struct error *err)
{
	cleanup_virtiofsd struct virtiofsd ignored = { .program = NULL };

	return find(&ignored, err);
}

// All that the guest writes is ours, our files are those of `docker` there, and the others' are nobody's.
static void add_translation(const char *option, unsigned own, unsigned docker, struct strv *argv)
{
	strv_push(argv, option);
	strv_pushf(argv, "squash-guest:0:%u:%u", own, UINT32_MAX);
	strv_push(argv, option);
	strv_pushf(argv, "host:%u:%u:1", own, docker);
	if (own > 0) {
		strv_push(argv, option);
		strv_pushf(argv, "squash-host:0:%d:%u", NOBODY, own);
	}
	strv_push(argv, option);
	strv_pushf(argv, "squash-host:%u:%d:%u", own + 1, NOBODY, UINT32_MAX - own - 1);
}

// The older one's option list is split at commas without a backslash.
static void add_source(const char *path, struct strv *argv)
{
	cleanup_buf struct buf value = BUF_INIT;

	buf_puts(&value, "source=");
	for (; *path; path++) {
		if (*path == ',' || *path == '\\')
			buf_putc(&value, '\\');
		buf_putc(&value, *path);
	}
	strv_push(argv, "-o");
	strv_push(argv, buf_str(&value));
}

void qemu_virtiofsd_command(const struct virtiofsd *v, const char *path, const struct virtiofsd_user *user,
			    struct strv *ret)
{
	strv_push(ret, v->program);
	strv_pushf(ret, "--fd=%d", SERVER_FD);
	if (!v->is_new) {
		add_source(path, ret);
		return;
	}
	strv_pushf(ret, "--shared-dir=%s", path);
	if (user->uid == 0)
		return;
	strv_pushf(ret, "--sandbox=%s", user->has_namespaces ? "namespace" : "none");
	add_translation("--translate-uid", user->uid, OWNER_DOCKER_UID, ret);
	add_translation("--translate-gid", user->gid, OWNER_DOCKER_GID, ret);
}

// --- the processes ---

// A socket that listens, and a connection to it, of which nobody else can have a part: it has no name any more, and had none
// that could be connected to before we did.
static int make_connection(const struct machine *m, int *ret_listener, int *ret_connection, struct error *err)
{
	cleanup_close int folder = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_close int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_free char *path = machine_path(m, "virtiofs.sock");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (folder < 0 || listener < 0 || connection < 0)
		return error_set(err, errno, "make a socket for virtiofsd");
	// The machine's own path may be too long for a socket's name.
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/virtiofs.sock", folder);
	int r = file_unlink(path, err);
	if (r < 0)
		return r;
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
	    listen(listener, 1) < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = error_set(err, errno, "make %s", path);
	unlink(path);
	if (r < 0)
		return r;
	*ret_listener = take_fd(&listener);
	*ret_connection = take_fd(&connection);
	return 0;
}

// In the child that becomes virtiofsd.
static void take_listener(void *arg)
{
	if (dup2(*(int *)arg, SERVER_FD) < 0)
		_exit(1);
}

// Starts the server of the share that *server names, and fills in the rest; the connection is QEMU's to be.
static int serve(const struct machine *m, const struct virtiofsd *v, int log, struct qemu_server *server,
		 struct error *err)
{
	struct virtiofsd_user user = { .uid = geteuid(), .gid = getegid() };
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_close int listener = -1;
	cleanup_close int connection = -1;
	int r = make_connection(m, &listener, &connection, err);

	if (r < 0)
		return r;
	user.has_namespaces = user.uid != 0 && owner_allowed();
	qemu_virtiofsd_command(v, qemu_share_path(m, server->share), &user, &argv);
	server->pid = qemu_spawn(m, &argv, NULL, log, take_listener, &listener, err);
	if (server->pid < 0)
		return server->pid;
	server->connection = take_fd(&connection);
	return 0;
}

static int open_log(const struct machine *m, int flags, struct error *err)
{
	cleanup_free char *path = machine_path(m, LOG);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0600);

	return fd < 0 ? error_set(err, errno, "open %s", path) : fd;
}

int qemu_virtiofs_start(const struct machine *m, struct qemu_servers *ret, struct error *err)
{
	cleanup_virtiofsd struct virtiofsd program = { .program = NULL };
	int r = 0;

	if (!qemu_uses_virtiofs(m))
		return 0;
	cleanup_close int log = open_log(m, O_TRUNC, err);
	if (log < 0)
		return log;
	r = find(&program, err);
	for (size_t i = 0; r == 0 && i < qemu_shares_count(m); i++) {
		struct qemu_server *server = &ret->list[ret->count];
		if (!qemu_share_is_there(m, i))
			continue;
		*server = (struct qemu_server){ .share = i };
		r = serve(m, &program, log, server, err);
		ret->count += r == 0;
	}
	return r;
}

void qemu_virtiofs_inherit(const struct qemu_servers *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (dup2(s->list[i].connection, FIRST_FD + (int)s->list[i].share) < 0)
			_exit(1);
}

void qemu_virtiofs_let_go(struct qemu_servers *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].connection >= 0)
			close(take_fd(&s->list[i].connection));
}

// Waits for a server whose connection is gone; its exit status.
static int reap(pid_t pid)
{
	struct error ignored = ERROR_INIT;
	int status = proc_wait(pid, "virtiofsd", END_TIMEOUT_MS, &ignored);

	if (status == -ETIMEDOUT && kill(pid, SIGKILL) == 0)
		status = proc_wait(pid, "virtiofsd", END_TIMEOUT_MS, &ignored);
	return status;
}

void qemu_virtiofs_end(const struct machine *m, struct qemu_servers *s, struct error *err)
{
	qemu_virtiofs_let_go(s);
	for (size_t i = 0; i < s->count; i++) {
		struct error before = *err;
		if (reap(s->list[i].pid) <= 0)
			continue;
		cleanup_free char *words = qemu_last_line(m, LOG);
		error_say(err, before.code, "%.500s; virtiofsd, which serves %.200s: %.250s", before.msg,
			  qemu_share_path(m, s->list[i].share), words ? words : "it did not say why it ended");
	}
	s->count = 0;
}

// --- QEMU's side ---

void qemu_virtiofs_memory_command(const struct machine *m, int megabytes, struct strv *argv)
{
	if (!qemu_uses_virtiofs(m))
		return;
	strv_push(argv, "-object");
	strv_pushf(argv, "memory-backend-memfd,id=memory,size=%dM,share=on", megabytes);
	strv_push(argv, "-machine");
	strv_push(argv, "memory-backend=memory");
}

static const char DEVICE[] = "vhost-user-fs-pci", CHARDEV[] = "socket,id=share";

void qemu_virtiofs_command(size_t share, const char *tag, bool plugged, struct strv *argv)
{
	cleanup_free char *tag_value = qemu_escaped(tag);

	strv_push(argv, "-device");
	strv_pushf(argv, "pcie-root-port,id=port%zu,chassis=%zu,slot=%zu", share, share + 1, share + 1);
	if (!plugged)
		return;
	strv_push(argv, "-chardev");
	strv_pushf(argv, "%s%zu,fd=%zu", CHARDEV, share, FIRST_FD + share);
	strv_push(argv, "-device");
	strv_pushf(argv, "%s,id=fs%zu,bus=port%zu,chardev=share%zu,queue-size=%d,tag=%s", DEVICE, share, share, share,
		   QUEUE_SIZE, tag_value);
}

bool qemu_virtiofs_is_plugged(const char *option, const char *value)
{
	return (strcmp(option, "-chardev") == 0 && strncmp(value, CHARDEV, strlen(CHARDEV)) == 0) ||
	       (strcmp(option, "-device") == 0 && strncmp(value, DEVICE, strlen(DEVICE)) == 0);
}

// --- unplugging and plugging in ---

static int open_monitor(const struct machine *m, struct qmp *ret, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");

	return qmp_open(ret, socket, QMP_TIMEOUT_MS, err);
}

// 1: QEMU has the device of that share.
static int has_device(struct qmp *q, size_t share, struct error *err)
{
	cleanup_free char *name = xasprintf("fs%zu", share);
	cleanup_json json_t *list = NULL;
	size_t i;
	const json_t *one;
	int r = qmp_execute_with(q, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), QMP_TIMEOUT_MS,
				 &list, err);

	json_array_foreach(list, i, one) if (strcmp(json_str_at(one, "name", ""), name) == 0) r = 1;
	return r;
}

// The chardev of that share: its server's connection ends. None: success.
static void remove_connection(struct qmp *q, size_t share)
{
	cleanup_free char *name = xasprintf("share%zu", share);
	struct error ignored = ERROR_INIT;

	if (qmp_execute_with(q, "chardev-remove", json_pack("{s:s}", "id", name), QMP_TIMEOUT_MS, NULL, &ignored) < 0)
		log_debug("%s", ignored.msg);
}

static int unplug(struct qmp *q, size_t share, struct error *err)
{
	cleanup_free char *name = xasprintf("fs%zu", share);
	int64_t deadline = clock_ms() + UNPLUG_TIMEOUT_MS;
	int r = has_device(q, share, err);

	if (r > 0)
		r = qmp_execute_with(q, "device_del", json_pack("{s:s}", "id", name), QMP_TIMEOUT_MS, NULL, err);
	while (r >= 0 && (r = has_device(q, share, err)) > 0) {
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "the guest does not let go of a share's device");
		clock_sleep_ms(PAUSE_MS);
		r = interrupt_check(err);
	}
	if (r == 0)
		remove_connection(q, share);
	return r;
}

int qemu_virtiofs_unplug(const struct machine *m, struct error *err)
{
	cleanup_qmp struct qmp q = QMP_INIT;

	if (!qemu_uses_virtiofs(m))
		return 0;
	int r = open_monitor(m, &q, err);
	for (size_t i = 0; r == 0 && i < qemu_shares_count(m); i++)
		r = unplug(&q, i, err);
	return r;
}

static json_t *chardev_of(const char *name)
{
	return json_pack("{s:s,s:{s:s,s:{s:{s:s,s:{s:s}},s:b}}}", "id", name, "backend", "type", "socket", "data",
			 "addr", "type", "fd", "data", "str", name, "server", 0);
}

static int plug(const struct machine *m, struct qmp *q, const struct qemu_server *server, struct error *err)
{
	cleanup_free char *connection = xasprintf("share%zu", server->share);
	cleanup_free char *device = xasprintf("fs%zu", server->share);
	cleanup_free char *port = xasprintf("port%zu", server->share);
	cleanup_free char *tag = qemu_share_tag(m, server->share);

	remove_connection(q, server->share); // of one that had ended
	int r = qmp_give_fd(q, server->connection, connection, QMP_TIMEOUT_MS, err);
	if (r == 0)
		r = qmp_execute_with(q, "chardev-add", chardev_of(connection), QMP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		r = qmp_execute_with(q, "device_add",
				     json_pack("{s:s,s:s,s:s,s:s,s:i,s:s}", "driver", DEVICE, "id", device, "bus", port,
					       "chardev", connection, "queue-size", QUEUE_SIZE, "tag", tag),
				     QMP_TIMEOUT_MS, NULL, err);
	return r;
}

static int plug_missing(const struct machine *m, const struct virtiofsd *v, struct qmp *q, size_t share, int log,
			struct error *err)
{
	struct qemu_servers one = { .count = 0 };
	int r = has_device(q, share, err);

	if (r || !qemu_share_is_there(m, share))
		return r < 0 ? r : 0;
	one.list[0].share = share;
	r = serve(m, v, log, &one.list[0], err);
	if (r < 0)
		return r;
	one.count = 1;
	r = plug(m, q, &one.list[0], err);
	if (r < 0) {
		remove_connection(q, share);
		qemu_virtiofs_end(m, &one, err);
	}
	qemu_virtiofs_let_go(&one);
	return r;
}

int qemu_virtiofs_plug(const struct machine *m, struct error *err)
{
	cleanup_virtiofsd struct virtiofsd program = { .program = NULL };
	cleanup_qmp struct qmp q = QMP_INIT;

	if (!qemu_uses_virtiofs(m))
		return 0;
	cleanup_close int log = open_log(m, 0, err);
	int r = log < 0 ? log : find(&program, err);
	if (r == 0)
		r = open_monitor(m, &q, err);
	for (size_t i = 0; r == 0 && i < qemu_shares_count(m); i++)
		r = plug_missing(m, &program, &q, i, log, err);
	return r;
}

// --- when one has ended ---

// The share whose connection QEMU has lost; -1: none.
static int find_lost(const struct machine *m, const json_t *chardevs)
{
	size_t i;
	const json_t *one;

	for (size_t share = 0; share < qemu_shares_count(m); share++) {
		cleanup_free char *name = xasprintf("share%zu", share);
		json_array_foreach(chardevs, i, one) if (strcmp(json_str_at(one, "label", ""), name) == 0 &&
							 strncmp(json_str_at(one, "filename", ""),
								 "disconnected:", 13) == 0) return (int)share;
	}
	return -1;
}

char *qemu_virtiofs_trouble(const struct machine *m)
{
	cleanup_json json_t *chardevs = NULL;
	cleanup_qmp struct qmp q = QMP_INIT;
	struct error ignored = ERROR_INIT;

	if (!qemu_uses_virtiofs(m) || open_monitor(m, &q, &ignored) < 0 ||
	    qmp_execute(&q, "query-chardev", QMP_TIMEOUT_MS, &chardevs, &ignored) < 0)
		return NULL;
	int share = find_lost(m, chardevs);
	cleanup_free char *words = qemu_last_line(m, LOG);
	return share < 0
		       ? NULL
		       : xasprintf(
				 "the virtiofsd that serves %.500s has ended (%s/%s: %.200s), and what uses that share "
				 "hangs: %s restart %s",
				 qemu_share_path(m, (size_t)share), m->dir, LOG, words ? words : "nothing",
				 m->ctx->program, m->name);
}
