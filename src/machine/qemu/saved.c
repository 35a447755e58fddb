// SPDX-License-Identifier: Apache-2.0
// Saving a machine and taking it up again; see internal.h.
//
// Theory of operation. `save` stops the guest, lets QEMU write the state of memory and devices into the machine's
// folder, and ends QEMU. `start` gives the state to a new QEMU, which waits for it (-incoming defer), and lets the
// guest go on. Two files hold a saved machine: machine.state, and saved.json, which tells what the state fits. The
// latter is written last and removed first, so that it alone says whether there is a state.
//
// A state is good for one use: as soon as the guest has run on, its disk is not the one that the memory remembers. So
// saved.json is gone before the guest runs; a resumed QEMU whose guest does not run yet is found paused, and `start`
// removes the file and lets it go on. machine.state, whose removal takes a while, goes when the guest runs. What was
// written is on the disk (fdatasync) before saved.json is: a power cut leaves a machine that boots from its disk, never
// one with holes in its memory.
//
// A state fits the QEMU that wrote it, by its version, with the same command line (without what the guest does not
// see: ports, files handed over at a start); with an accelerator that shows the guest the host's own processor, also
// that processor. Else it is discarded, with a word, and the machine boots. A state that should fit and cannot be
// loaded is kept: the host may only be out of memory.
//
// QEMU 9.0 and later write a file that memory is mapped to page by page (mapped-ram), sparse and of bounded size; an
// older one writes a stream, which we take from a pipe and keep without its pages of zeros (slim.h). Which one it is,
// QEMU is asked.
#include "internal.h"

#include "../net.h"
#include "../run.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "slim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

enum { MIGRATE_TIMEOUT_MS = 5 * 60 * 1000, PAUSE_MS = 2, SAVED_MAX = 1 << 20, CPUINFO_MAX = 4 << 20 };
enum { CHUNK = 1 << 20 }; // of a stream, and of its pipe
enum { MEGABYTE = 1 << 20, DEVICES_MB = 64 }; // devices' own state, and the pages' numbers
static const int64_t NO_LIMIT = 1LL << 40; // bytes a second
static const char STREAM[] = "stream", MAPPED[] = "mapped-ram";

static char *description_path(const struct machine *m)
{
	return machine_path(m, "saved.json");
}

static char *state_path(const struct machine *m)
{
	return machine_path(m, "machine.state");
}

bool qemu_is_saved(const struct machine *m)
{
	cleanup_free char *path = description_path(m);

	return file_exists(path);
}

int qemu_discard_saved(const struct machine *m, struct error *err)
{
	cleanup_free char *description = description_path(m);
	cleanup_free char *state = state_path(m);
	cleanup_free char *half = machine_path(m, "machine.state.tmp");
	int r = file_unlink(description, err);

	if (r == 0)
		r = file_unlink(state, err);
	return r < 0 ? r : file_unlink(half, err);
}

// --- what a state fits ---

static json_t *essence_of(const struct strv *argv)
{
	cleanup_strv struct strv essence = STRV_INIT;
	json_t *list = json_array();

	qemu_essence(argv, &essence);
	for (size_t i = 0; i < essence.count; i++)
		json_array_append_new(list, json_string(essence.items[i]));
	return list;
}

// The model and the features of the host's first processor, where the guest sees them; else "".
char *qemu_processor(const char *accelerator)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_buf struct buf ret = BUF_INIT;
	static const char *const wanted[] = { "\nmodel name", "\nflags", "\nFeatures" };

	if (strcmp(accelerator, "tcg") == 0 || file_read("/proc/cpuinfo", CPUINFO_MAX, &text, NULL) < 0)
		return xstrdup("");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const char *line = strstr(buf_str(&text), wanted[i]);
		if (line)
			buf_add(&ret, line + 1, strcspn(line + 1, "\n"));
	}
	return buf_steal(&ret);
}

static const char *accelerator_in(const struct strv *argv)
{
	for (size_t i = 1; i < argv->count; i++)
		if (strcmp(argv->items[i - 1], "-accel") == 0)
			return argv->items[i];
	return "";
}

// Why the saved state does not fit the command line; NULL: it does.
static const char *misfit(const json_t *saved, const struct strv *argv)
{
	cleanup_json json_t *essence = essence_of(argv);
	cleanup_free char *processor = qemu_processor(accelerator_in(argv));

	if (!json_equal(json_at(saved, "Arguments"), essence))
		return "the machine is made differently now";
	if (strcmp(json_str_at(saved, "Processor", ""), processor) != 0)
		return "this host has another processor";
	return NULL;
}

// --- the transfer, both ways ---

static int check_progress(const json_t *answer, struct error *err)
{
	const char *status = json_str_at(answer, "status", "");

	if (strcmp(status, "completed") == 0)
		return 1;
	if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
		return error_say(err, EIO, "QEMU could not transfer the machine's state: %.300s",
				 json_str_at(answer, "error-desc", "it gives no reason"));
	return 0;
}

static int wait_transfer(struct qmp *q, struct error *err)
{
	int64_t deadline = clock_ms() + MIGRATE_TIMEOUT_MS;

	for (;;) {
		cleanup_json json_t *answer = NULL;
		// While it reads a file QEMU hears nothing: a busy host makes it deaf for longer than other questions wait.
		int r = qmp_execute(q, "query-migrate", MIGRATE_TIMEOUT_MS, &answer, err);
		if (r == 0)
			r = check_progress(answer, err);
		if (r)
			return r < 0 ? r : 0;
		r = interrupt_check(err);
		if (r < 0)
			return r;
		if (clock_ms() >= deadline)
			return error_say(err, ETIMEDOUT, "the transfer of the machine's state did not end within %d s",
					 MIGRATE_TIMEOUT_MS / 1000);
		clock_sleep_ms(PAUSE_MS);
	}
}

static int use_mapped_ram(struct qmp *q, struct error *err)
{
	return qmp_execute_with(q, "migrate-set-capabilities",
				json_pack("{s:[{s:s,s:b}]}", "capabilities", "capability", MAPPED, "state", 1),
				QMP_TIMEOUT_MS, NULL, err);
}

// Does this QEMU have mapped-ram? An old one has not even heard of it.
static int choose_format(struct qmp *q, const char **ret, struct error *err)
{
	cleanup_json json_t *list = NULL;
	size_t i;
	const json_t *one;
	int r = qmp_execute(q, "query-migrate-capabilities", QMP_TIMEOUT_MS, &list, err);

	if (r < 0)
		return r;
	*ret = STREAM;
	json_array_foreach(list, i, one) if (strcmp(json_str_at(one, "capability", ""), MAPPED) == 0) *ret = MAPPED;
	return *ret == MAPPED ? use_mapped_ram(q, err) : 0;
}

// Runs `migrate` or `migrate-incoming`. The mapped format needs the file by its name.
static int begin_transfer(struct qmp *q, const char *command, const char *format, const char *path, int fd,
			  struct error *err)
{
	static const char fd_uri[] = "fd:state";
	bool mapped = strcmp(format, MAPPED) == 0;
	cleanup_free char *file_uri = xasprintf("file:%s", path);
	int r = mapped ? 0 : qmp_give_fd(q, fd, strchr(fd_uri, ':') + 1, QMP_TIMEOUT_MS, err);

	return r < 0 ? r
		     : qmp_execute_with(q, command, json_pack("{s:s}", "uri", mapped ? file_uri : fd_uri),
					MIGRATE_TIMEOUT_MS, NULL, err);
}

// --- save ---

int qemu_check_space(const struct machine *m, long long used_mb, const char *what, const char *instead,
		     struct error *err)
{
	long long memory = json_int_at(m->config, "Driver.Memory", 0);
	long long needed = (memory < used_mb ? memory : used_mb) + DEVICES_MB;
	struct statvfs fs;

	if (statvfs(m->dir, &fs) < 0)
		return error_set(err, errno, "look at the free space of %s", m->dir);
	long long free_mb = (long long)fs.f_bavail * (long long)fs.f_frsize / MEGABYTE;
	return free_mb >= needed ? 0
				 : error_say(err, ENOSPC, "%s may need %lld MB in %s, which has %lld: make room%s",
					     what, needed, m->dir, free_mb, instead);
}

// Keeps what comes out of the pipe until QEMU, or its end of the pipe, is gone.
static int keep_slim(int from, int file, const char *path, struct error *err)
{
	int64_t deadline = clock_ms() + MIGRATE_TIMEOUT_MS;
	cleanup_slim struct slim slim = SLIM_INIT;
	cleanup_free char *chunk = xmalloc(CHUNK);
	cleanup_buf struct buf out = BUF_INIT;
	ssize_t n;

	do {
		int r = net_wait(from, false, deadline, "QEMU", err);
		if (r == 0)
			r = interrupt_check(err);
		if (r < 0)
			return r;
		n = read(from, chunk, CHUNK);
		if (n < 0)
			return error_set(err, errno, "read the machine's state from QEMU");
		if (n > 0)
			slim_feed(&slim, chunk, (size_t)n, &out);
		else
			slim_end(&slim, &out);
		r = file_write_fd(file, path, out.data, out.len, err);
		if (r < 0)
			return r;
		buf_clear(&out);
	} while (n > 0);
	return 0;
}

static int write_slim(struct qmp *q, const char *path, int file, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	cleanup_close int from = ends[0];
	cleanup_close int to = ends[1];
	if (fcntl(from, F_SETPIPE_SZ, CHUNK) < 0)
		log_debug("the pipe stays small: %s", strerror(errno));
	int r = begin_transfer(q, "migrate", STREAM, path, to, err);
	close(take_fd(&to)); // so that its end is seen when QEMU closes it
	return r < 0 ? r : keep_slim(from, file, path, err);
}

static int write_state(struct qmp *q, const char *path, const char **ret_format, struct error *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(err, errno, "make %s", path);
	int r = qmp_execute_with(q, "migrate-set-parameters", json_pack("{s:I}", "max-bandwidth", (json_int_t)NO_LIMIT),
				 QMP_TIMEOUT_MS, NULL, err);
	if (r == 0)
		r = choose_format(q, ret_format, err);
	if (r == 0)
		r = strcmp(*ret_format, MAPPED) == 0 ? begin_transfer(q, "migrate", MAPPED, path, fd, err)
						     : write_slim(q, path, fd, err);
	if (r == 0)
		r = wait_transfer(q, err);
	if (r == 0 && fdatasync(fd) < 0)
		r = error_set(err, errno, "write %s", path);
	return r;
}

// Writes the state and, last, what says that there is one.
static int write_files(const struct machine *m, struct qmp *q, const struct strv *argv, struct error *err)
{
	cleanup_free char *half = machine_path(m, "machine.state.tmp");
	cleanup_free char *whole = state_path(m);
	cleanup_free char *description = description_path(m);
	cleanup_free char *processor = qemu_processor(accelerator_in(argv));
	const char *format = STREAM;

	int r = write_state(q, half, &format, err);
	if (r < 0)
		return r;
	if (rename(half, whole) < 0)
		return error_set(err, errno, "rename %s", half);
	cleanup_json json_t *saved = json_pack("{s:s,s:s,s:o,s:s}", "Format", format, "Version", q->version,
					       "Arguments", essence_of(argv), "Processor", processor);
	return saved ? json_write_file(description, saved, 0600, err)
		     : error_say(err, EILSEQ, "the command line of machine \"%s\" is not UTF-8", m->name);
}

// The guest goes on as if nothing had been.
static void take_back(const struct machine *m, struct qmp *q)
{
	struct error why = ERROR_INIT;

	if (qmp_execute(q, "migrate_cancel", QMP_TIMEOUT_MS, NULL, &why) < 0 || qemu_discard_saved(m, &why) < 0 ||
	    qmp_execute(q, "cont", QMP_TIMEOUT_MS, NULL, &why) < 0)
		log_warn("machine \"%s\" stays paused (%s); \"%s start %s\" lets it go on", m->name, why.msg,
			 m->ctx->program, m->name);
}

static int save_and_quit(struct machine *m, int pidfd, struct qmp *q, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct error ignored = ERROR_INIT;
	int r = qemu_process_arguments(m, &argv, err);

	if (r == 0)
		r = qmp_execute(q, "stop", QMP_TIMEOUT_MS, NULL, err);
	if (r < 0)
		return r;
	r = write_files(m, q, &argv, err);
	if (r < 0) {
		take_back(m, q);
		return error_wrap(err, "saving machine \"%s\"", m->name);
	}
	// It may end before it answers.
	if (qmp_execute(q, "quit", QMP_TIMEOUT_MS, NULL, &ignored) < 0)
		log_debug("%s", ignored.msg);
	if (qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
		return 0;
	r = qemu_process_kill(pidfd, err); // nothing is lost: the disk was flushed with the state
	if (r == 0 && qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
		qemu_process_forget(m);
	return r;
}

int qemu_save_state(struct machine *m, struct error *err)
{
	cleanup_free char *socket = machine_path(m, "qmp.sock");
	cleanup_qmp struct qmp q = QMP_INIT;
	cleanup_close int pidfd = -1;
	int found = qemu_process_find(m, &pidfd, err);

	if (found <= 0)
		return found < 0 ? found : error_say(err, ESHUTDOWN, "machine \"%s\" does not run", m->name);
	int r = qmp_open(&q, socket, QMP_TIMEOUT_MS, err);
	return r < 0 ? r : save_and_quit(m, pidfd, &q, err);
}

int qemu_save(struct machine *m, struct error *err)
{
	struct error why = ERROR_INIT;
	cleanup_free char *what = xasprintf("saving machine \"%s\"", m->name);
	int r = qemu_check_space(m, LLONG_MAX, what, ", or stop the machine instead", err);

	if (r < 0)
		return r;
	r = qemu_shares_release(m, err);
	if (r == 0)
		r = qemu_save_state(m, err);
	if (r < 0 && qemu_shares_restore(m, &why) < 0)
		log_warn("%s", why.msg);
	return r;
}

// --- start of a saved machine ---

// 0: discarded.
static int discard(const struct machine *m, const char *why, struct error *err)
{
	log_warn("the saved state of machine \"%s\" is discarded, and it boots anew: %s", m->name, why);
	return qemu_discard_saved(m, err);
}

void qemu_end(const struct machine *m)
{
	cleanup_close int pidfd = -1;
	struct error ignored = ERROR_INIT;

	if (qemu_process_find(m, &pidfd, &ignored) > 0 && qemu_process_kill(pidfd, &ignored) == 0 &&
	    qemu_process_wait(pidfd, QUIT_TIMEOUT_MS))
		qemu_process_forget(m);
}

// A network's switches learn from announcements where the machine is now. QEMU's user network needs none: five rounds of them would
// keep the guest busy (ARP, neighbour discovery, multicast groups) while somebody waits for its engine. With none at all QEMU frees a
// timer that the card's next reset stops (virtio_net_reset in hw/net/virtio-net.c), and dies when its guest reboots or powers off.
static int set_announcements(const struct machine *m, struct qmp *q, struct error *err)
{
	if (qemu_has_own_address(m))
		return 0;
	return qmp_execute_with(q, "migrate-set-parameters", json_pack("{s:i}", "announce-rounds", 1), QMP_TIMEOUT_MS,
				NULL, err);
}

static int load(const struct machine *from, struct qmp *q, const char *format, struct error *err)
{
	cleanup_free char *path = state_path(from);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	int r = set_announcements(from, q, err);
	if (r == 0 && strcmp(format, MAPPED) == 0)
		r = use_mapped_ram(q, err);
	if (r == 0)
		r = begin_transfer(q, "migrate-incoming", format, path, fd, err);
	return r < 0 ? r : wait_transfer(q, err);
}

// A state that fits and yet does not load.
static int cannot_load(const struct machine *m, struct error *err)
{
	cleanup_free char *words = err->code == ECONNRESET ? qemu_last_words(m) : NULL;

	return error_say(err, err->code,
			 "the saved machine \"%s\" cannot be taken up: %.400s; try again, or give up what ran in it "
			 "with \"%s kill %s\" and start it anew",
			 m->name, words ? words : err->msg, m->ctx->program, m->name);
}

int qemu_take_up(struct machine *m, const struct qemu_how *how, const struct machine *from, enum qemu_flaw *ret_flaw,
		 struct error *err)
{
	cleanup_free char *description = description_path(from);
	cleanup_json json_t *saved = NULL;
	cleanup_qmp struct qmp q = QMP_INIT;
	int r = json_read_file(description, SAVED_MAX, &saved, err);

	*ret_flaw = FLAW_NONE;

	if (r == 0)
		r = qemu_launch(m, how, &q, err);
	if (r < 0)
		return r;
	if (strcmp(json_str_at(saved, "Version", ""), q.version) != 0) {
		*ret_flaw = FLAW_STALE;
		qemu_end(m);
		return error_say(err, ESTALE, "QEMU is another version now");
	}
	r = load(from, &q, json_str_at(saved, "Format", ""), err);
	if (r < 0) {
		*ret_flaw = FLAW_UNREADABLE;
		qemu_end(m);
		return from == m ? cannot_load(m, err) : r;
	}
	r = from == m ? file_unlink(description, err) : 0;
	if (r == 0)
		r = qmp_execute(&q, "cont", QMP_TIMEOUT_MS, NULL, err);
	return r < 0 ? r : qemu_network_forward(m, &q, err);
}

int qemu_resume(struct machine *m, const char *accelerator, struct error *err)
{
	struct qemu_how how = { .accelerator = accelerator, .incoming = true };
	cleanup_free char *description = description_path(m);
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_json json_t *saved = NULL;
	struct error why = ERROR_INIT;

	if (json_read_file(description, SAVED_MAX, &saved, &why) < 0)
		return discard(m, why.msg, err);
	qemu_command(m, &how, &argv);
	const char *reason = misfit(saved, &argv);
	if (reason)
		return discard(m, reason, err);
	enum qemu_flaw flaw;
	int r = qemu_take_up(m, &how, m, &flaw, err);
	if (flaw == FLAW_STALE) {
		why = *err;
		error_clear(err);
		return discard(m, why.msg, err);
	}
	if (r == 0)
		r = qemu_discard_saved(m, err);
	return r < 0 ? r : 1;
}
