// SPDX-License-Identifier: Apache-2.0
// What the files of the QEMU driver share.
#pragma once

#include "../driver.h"
#include "../qmp.h"
#include "../store.h"
#include "lib/strv.h"

// --- accelerator.c --- "kvm" when /dev/kvm can be used and the processor really has vmx or svm: where it has not, the
// device may open and every guest hangs all the same. Else "tcg". The paths are parameters for the tests.
const char *accelerator_choose(const char *kvm_device, const char *cpuinfo);

// --- command.c ---
struct qemu_how {
	const char *accelerator;
	const char *provision; // NULL: nothing is handed over
	bool incoming; // a saved machine: QEMU waits to be told where its state is
	bool template; // the guest waits for its birth; QEMU ends with us
};
// The command line that starts the machine.
void qemu_command(const struct machine *m, const struct qemu_how *how, struct strv *ret);
// The path of the QMP socket as it is given to QEMU, which runs in the machine's folder: relative where the whole is
// too long.
char *qemu_socket_argument(const struct machine *m);
// Leaves of a command line what a saved state depends on: not the program, no ports, no provision.
void qemu_essence(const struct strv *argv, struct strv *ret);

// A value in one of QEMU's option lists: a comma within it is written twice. The caller frees.
char *qemu_escaped(const char *value);

// --- shares.c ---
// The value of Driver.Shares from the flags --qemu-share; none given: the home folder. The caller decrefs.
int qemu_shares_parse(const struct strv *given, json_t **ret, struct error *err) MUST_CHECK;
bool qemu_has_shares(const struct machine *m);
enum { SHARES_MAX = 64 };
size_t qemu_shares_count(const struct machine *m);
// The folder of the share of that number, which may be gone by now: borrowed from config.json.
const char *qemu_share_path(const struct machine *m, size_t share);
bool qemu_share_is_there(const struct machine *m, size_t share);
// Its mount tag. The caller frees.
char *qemu_share_tag(const struct machine *m, size_t share);
// `plugged`: virtiofs has its servers; see there.
void qemu_shares_command(const struct machine *m, bool plugged, struct strv *argv);
// Before QEMU is started: writes what the command line names; warns of folders that are gone.
int qemu_shares_prepare(const struct machine *m, struct error *err) MUST_CHECK;
// Before the machine is saved: the guest lets go of its shares. EBUSY, naming the containers, when it cannot.
int qemu_shares_release(const struct machine *m, struct error *err) MUST_CHECK;
// After it was resumed, or not saved: the guest mounts them again.
int qemu_shares_restore(const struct machine *m, struct error *err) MUST_CHECK;
// The guest has them mounted: it was booted.
void qemu_shares_forget(const struct machine *m);

// --- virtiofs.c --- Shares that virtiofsd serves instead of QEMU. All of these do nothing on a machine whose shares are 9p.
struct qemu_server {
	size_t share;
	pid_t pid;
	int connection; // what QEMU gets of it; -1: it has it
};
struct qemu_servers {
	size_t count;
	struct qemu_server list[SHARES_MAX];
};
struct virtiofsd {
	char *program;
	bool is_new; // the one in Rust
};
struct virtiofsd_user {
	uid_t uid; // who runs it
	gid_t gid;
	bool has_namespaces; // may have user namespaces
};
bool qemu_uses_virtiofs(const struct machine *m);
// Before anything is made: is there a virtiofsd that we can run? Else what to do.
int qemu_virtiofs_check(struct error *err) MUST_CHECK;
void qemu_virtiofsd_command(const struct virtiofsd *v, const char *path, const struct virtiofsd_user *user,
			    struct strv *ret);
// Starts the servers for a QEMU that is to be started. Each ends when its connection is closed.
int qemu_virtiofs_start(const struct machine *m, struct qemu_servers *ret, struct error *err) MUST_CHECK;
// In the child that becomes QEMU: gives it the connections by the numbers of its command line.
void qemu_virtiofs_inherit(const struct qemu_servers *s);
// QEMU has the connections.
void qemu_virtiofs_let_go(struct qemu_servers *s);
// There is no QEMU: ends the servers. What one said that failed is added to the error.
void qemu_virtiofs_end(const struct machine *m, struct qemu_servers *s, struct error *err);
// The guest's memory, which its servers share.
void qemu_virtiofs_memory_command(const struct machine *m, int megabytes, struct strv *argv);
// The port of a share, and what is plugged in there.
void qemu_virtiofs_command(size_t share, const char *tag, bool plugged, struct strv *argv);
// Is that an option for what is plugged in?
bool qemu_virtiofs_is_plugged(const char *option, const char *value);
// The guest has unmounted its shares: takes away their devices, so that the machine can be saved.
int qemu_virtiofs_unplug(const struct machine *m, struct error *err) MUST_CHECK;
// Gives the devices back that are missing.
int qemu_virtiofs_plug(const struct machine *m, struct error *err) MUST_CHECK;
// In words, of a machine that runs: a share's server has ended. NULL: none. The caller frees.
char *qemu_virtiofs_trouble(const struct machine *m);

// --- network.c ---
struct qemu_options;
int qemu_network_check(const struct qemu_options *q, struct error *err) MUST_CHECK;
// The network's fields of config.json, and the machine's address where it is known now.
void qemu_network_configure(json_t *driver, const struct qemu_options *q);
// On tap or bridge: then the engine and published ports are reached there, not through forwards.
bool qemu_has_own_address(const struct machine *m);
void qemu_network_command(const struct machine *m, bool with_forwards, struct strv *argv);
// Forwards SSH and the engine of a QEMU that was started without that, from ports that are free; those that it forwards stay.
int qemu_network_forward(struct machine *m, struct qmp *q, struct error *err) MUST_CHECK;
// After start: finds out, or sets, the address on tap or bridge.
int qemu_attach(struct machine *m, enum provision_kind kind, struct error *err) MUST_CHECK;
// The start of the user network's option list: what follows are its forwards.
extern const char QEMU_USER_NETWORK[];

// --- disk.c ---
// Makes disk.qcow2 in the machine's folder, which has the key already.
int qemu_make_disk(const struct machine *m, struct error *err) MUST_CHECK;

// --- process.c --- Starts a program that outlives us: in the machine's folder, out of reach of the terminal, with all that it says in
// `log`. `env` NULL: with our environment. `setup` runs in the child before: only async-signal-safe calls. Its pid, or an error.
pid_t qemu_spawn(const struct machine *m, struct strv *argv, const struct strv *env, int log, void (*setup)(void *arg),
		 void *arg, struct error *err) MUST_CHECK;
// 1 and a pidfd when the machine's own QEMU runs; 0 when it does not. A process that merely has the
// pid is not taken for it.
int qemu_process_find(const struct machine *m, int *ret_pidfd, struct error *err) MUST_CHECK;
// Its command line.
int qemu_process_arguments(const struct machine *m, struct strv *ret, struct error *err) MUST_CHECK;
// Seconds since it was started; -1: it does not run, or took up a saved machine.
double qemu_process_uptime(const struct machine *m);
// 1 when it has ended within the time, else 0.
int qemu_process_wait(int pidfd, int timeout_ms);
int qemu_process_kill(int pidfd, struct error *err) MUST_CHECK;
// Takes away the pid file, after an end that was wanted: one that stays tells of a crash.
void qemu_process_forget(const struct machine *m);

// --- launch.c ---
// Starts QEMU and returns, connected to it, when it is set up. Chooses ports that are free.
int qemu_launch(struct machine *m, const struct qemu_how *how, struct qmp *q, struct error *err) MUST_CHECK;
// The last line of its log, or NULL. The caller frees.
char *qemu_last_words(const struct machine *m);
// The same of another log in the machine's folder.
char *qemu_last_line(const struct machine *m, const char *file);

// --- saved.c ---
bool qemu_is_saved(const struct machine *m);
// Starts a saved machine where it was. 1: done. 0: the state fits no more, and is gone, with a word about it: start it
// from its disk.
int qemu_resume(struct machine *m, const char *accelerator, struct error *err) MUST_CHECK;
// Removes what was saved, if anything.
int qemu_discard_saved(const struct machine *m, struct error *err) MUST_CHECK;
int qemu_save(struct machine *m, struct error *err) MUST_CHECK;
// Is there room for what it would write, all of the machine's memory, of which no more than `used_mb` is in use? `what` takes the room
// ("saving machine ..."), `instead` ends the error with another way.
int qemu_check_space(const struct machine *m, long long used_mb, const char *what, const char *instead,
		     struct error *err) MUST_CHECK;
// The two of them without what concerns shares, or discards. Takes the machine up from what was saved of `from`, which may be itself, and
// lets it go on. An error that is the state's own is told by the flaw: another version of QEMU wrote it, or it does not load.
int qemu_save_state(struct machine *m, struct error *err) MUST_CHECK;
enum qemu_flaw { FLAW_NONE, FLAW_STALE, FLAW_UNREADABLE };
int qemu_take_up(struct machine *m, const struct qemu_how *how, const struct machine *from, enum qemu_flaw *ret_flaw,
		 struct error *err) MUST_CHECK;
// Kills the machine's QEMU, if it runs.
void qemu_end(const struct machine *m);
// What of this host's processor a saved state depends on. The caller frees.
char *qemu_processor(const char *accelerator);

// --- birth.c ---
// The first start of a machine. 1: it was born from a template, which is made when there is none of its kind. 0: it has to boot.
int qemu_be_born(struct machine *m, const char *provision, const char *accelerator, struct error *err) MUST_CHECK;
// After a command that was killed at a birth, with no QEMU running: gives the machine its own disk back, which nothing has written to.
int qemu_undo_birth(const struct machine *m, struct error *err) MUST_CHECK;

// --- template.c ---
// Makes the template of that kind in `folder`.
int qemu_make_template(const struct machine *m, const char *folder, const char *accelerator,
		       struct error *err) MUST_CHECK;
// A machine of the same kind whose folder is a template's. The caller frees.
struct machine *qemu_template(const struct machine *m, const char *folder);
// Waits until the guest has written a line with `line` to its console: a template, or a machine that is born. `what` names what is waited
// for, `trouble` is how a line begins by which the guest says that it cannot be (NULL: it does not say).
int qemu_wait_word(const struct machine *m, const char *what, const char *line, const char *trouble, int timeout_ms,
		   struct error *err) MUST_CHECK;
bool qemu_has_said(const struct machine *m, const char *line);

// --- forwarder.c ---
// Starts the process that makes published ports reachable, unless there is one.
int qemu_forward_start(const struct machine *m, struct error *err) MUST_CHECK;

// --- lifecycle.c ---
enum { QMP_TIMEOUT_MS = 5 * 1000, QUIT_TIMEOUT_MS = 5 * 1000 };
int qemu_start(struct machine *m, const char *provision, struct error *err) MUST_CHECK;
// After every start, when the engine answers.
int qemu_ready(struct machine *m, struct error *err) MUST_CHECK;
int qemu_stop(struct machine *m, struct error *err) MUST_CHECK;
int qemu_kill(struct machine *m, struct error *err) MUST_CHECK;
int qemu_state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err) MUST_CHECK;
// What went wrong: how the last QEMU ended of a machine that does not run, or what hangs in one that does; NULL: nothing. The caller
// frees.
char *qemu_trouble(const struct machine *m);
char *qemu_console_path(const struct machine *m);
