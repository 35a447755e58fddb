// SPDX-License-Identifier: Apache-2.0
// What the files of the QEMU driver share.
#pragma once

#include "../driver.h"
#include "../store.h"
#include "lib/strv.h"

// --- accelerator.c --- "kvm" when /dev/kvm can be used and the processor really has vmx or svm: where it has not, the
// device may open and every guest hangs all the same. Else "tcg". The paths are parameters for the tests.
const char *accelerator_choose(const char *kvm_device, const char *cpuinfo);

// --- command.c ---
// The command line that starts the machine; `provision` may be NULL.
void qemu_command(const struct machine *m, const char *accelerator, const char *provision, struct strv *ret);
// The path of the QMP socket as it is given to QEMU, which runs in the machine's folder: relative where the whole is
// too long.
char *qemu_socket_argument(const struct machine *m);

// --- disk.c ---
// Makes disk.qcow2 in the machine's folder, which has the key already.
int qemu_make_disk(const struct machine *m, struct error *err) MUST_CHECK;

// --- process.c --- 1 and a pidfd when the machine's own QEMU runs; 0 when it does not. A process that merely has the
// pid is not taken for it.
int qemu_process_find(const struct machine *m, int *ret_pidfd, struct error *err) MUST_CHECK;
// 1 when it has ended within the time, else 0.
int qemu_process_wait(int pidfd, int timeout_ms);
int qemu_process_kill(int pidfd, struct error *err) MUST_CHECK;

// --- lifecycle.c ---
int qemu_start(struct machine *m, const char *provision, struct error *err) MUST_CHECK;
int qemu_stop(struct machine *m, struct error *err) MUST_CHECK;
int qemu_kill(struct machine *m, struct error *err) MUST_CHECK;
int qemu_state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err) MUST_CHECK;
char *qemu_console_path(const struct machine *m);
