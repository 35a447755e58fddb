// SPDX-License-Identifier: Apache-2.0
// What the files of the VirtualBox driver share.
#pragma once

#include "../driver.h"
#include "../store.h"
#include "lib/buf.h"

#include <stdint.h>

// --- manage.c --- Runs VBoxManage.
struct manage {
	const char *const *words; // behind the program's name; NULL-terminated
	const void *input; // NULL: none
	size_t input_len;
	int timeout_ms; // 0: a minute
	struct buf *output; // stdout, without the warning that some packages put before it; NULL: dropped
};
// Its own errors: ENODEV, it does not know the VM; EACCES, it does not allow the address; EEXIST; EBUSY, a session has the VM
// locked; EPROTO, all others.
int manage_run(const struct manage *manage, struct error *err) MUST_CHECK;
#define manage(err, ...) manage_run(&(struct manage){ .words = (const char *const[]){ __VA_ARGS__, NULL } }, err)
#define manage_output(out, err, ...) \
	manage_run(&(struct manage){ .words = (const char *const[]){ __VA_ARGS__, NULL }, .output = (out) }, err)

// --- parse.c --- What VBoxManage prints is read by these and no others.
// Drops the warning of Debian's wrapper (no kernel driver) from the beginning.
void output_strip_warning(struct buf *output);
// The error message in what it wrote to stderr: the first one, in one line. Never empty.
void output_error(const char *text, struct buf *ret);
// The value of a key in `showvminfo --machinereadable`, whether key and value are quoted or not. False: not there.
bool info_get(const char *info, const char *key, struct buf *ret);
// `list` prints records of "Key:  value" lines. The first or next one, which begins with the key `first_key`; its length in
// *ret_len. NULL: no more.
const char *record_next(const char *at, const char *first_key, size_t *ret_len);
bool record_get(const char *record, size_t len, const char *key, struct buf *ret);
// VMState as ours.
enum machine_state info_state(const char *info);
// The MAC address of the VM's host-only network card, as "0800277e1ef1".
bool info_hostonly_mac(const char *info, struct buf *ret);
// The IPv4 address that `ip addr show` prints for the card with this MAC address.
bool address_of_mac(const char *ip_addr, const char *mac, struct buf *ret);
// The adapter's name in "Interface 'vboxnet0' was successfully created".
bool created_interface(const char *output, struct buf *ret);

// --- network.c --- The host-only network.
struct network {
	uint32_t ip, mask; // the host's address; host byte order
};
// "192.168.99.1/24", with the host's address.
int network_parse(const char *cidr, struct network *ret, struct error *err) MUST_CHECK;
void network_format(uint32_t ip, struct buf *ret); // "192.168.99.1"
// The DHCP server's own address and the range that it gives.
struct dhcp_range {
	uint32_t server, lower, upper;
};
struct dhcp_range network_dhcp_range(const struct network *n);
// Finds or makes the adapter with the machine's Driver.HostOnlyCIDR and its DHCP server, and puts the VM's second card on it.
// Where VirtualBox does not allow the address, 192.168.59.1/24 is taken instead, and config.json says so from then on.
int network_set_up(struct machine *m, struct error *err) MUST_CHECK;

// --- vm.c ---
// What VirtualBox tells of the machine's VM. 1: *ret_info is filled; 0: it has none. A VM of the same name that lies outside
// of the machine's folder is somebody else's: 0.
// timeout_ms 0: the usual time.
int vm_find(const struct machine *m, int timeout_ms, struct buf *ret_info, struct error *err) MUST_CHECK;
// The same, where it must be there: ENODEV with the next step.
int vm_require(const struct machine *m, int timeout_ms, struct buf *ret_info, struct error *err) MUST_CHECK;
// Makes disk, VM, storage and shared folder. The image is in the machine's folder.
int vm_create(struct machine *m, struct error *err) MUST_CHECK;

// --- lifecycle.c ---
int virtualbox_start(struct machine *m, const char *provision, struct error *err) MUST_CHECK;
int virtualbox_attach(struct machine *m, enum provision_kind kind, struct error *err) MUST_CHECK;
int virtualbox_stop(struct machine *m, struct error *err) MUST_CHECK;
int virtualbox_save(struct machine *m, struct error *err) MUST_CHECK;
int virtualbox_kill(struct machine *m, struct error *err) MUST_CHECK;
int virtualbox_state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err) MUST_CHECK;
int virtualbox_remove(struct machine *m, struct error *err) MUST_CHECK;
char *virtualbox_console_path(const struct machine *m);
