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
void qemu_shares_command(const struct machine *m, struct strv *argv);
// Before QEMU is started: writes what the command line names; warns of folders that are gone.
int qemu_shares_prepare(const struct machine *m, struct error *err) MUST_CHECK;
// Before the machine is saved: the guest lets go of its shares. EBUSY, naming the containers, when it cannot.
int qemu_shares_release(const struct machine *m, struct error *err) MUST_CHECK;
// After it was resumed, or not saved: the guest mounts them again.
int qemu_shares_restore(const struct machine *m, struct error *err) MUST_CHECK;
// The guest has them mounted: it was booted.
void qemu_shares_forget(const struct machine *m);

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

// --- process.c --- 1 and a pidfd when the machine's own QEMU runs; 0 when it does not. A process that merely has the
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

// --- saved.c ---
bool qemu_is_saved(const struct machine *m);
// Starts a saved machine where it was. 1: done. 0: the state fits no more, and is gone, with a word about it: start it
// from its disk.
int qemu_resume(struct machine *m, const char *accelerator, struct error *err) MUST_CHECK;
// Removes what was saved, if anything.
int qemu_discard_saved(const struct machine *m, struct error *err) MUST_CHECK;
int qemu_save(struct machine *m, struct error *err) MUST_CHECK;

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
// What went wrong with a machine that does not run: how its last QEMU ended; NULL: nothing. The caller frees.
char *qemu_trouble(const struct machine *m);
char *qemu_console_path(const struct machine *m);
