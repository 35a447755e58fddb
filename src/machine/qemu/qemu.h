// SPDX-License-Identifier: Apache-2.0
// The QEMU driver: machines that run as the user, without root, with their ports forwarded to 127.0.0.1.
#pragma once

#include "../driver.h"
#include "lib/strv.h"

extern const struct driver qemu_driver;
extern const struct option_row qemu_options_rows[];

// The flags `--qemu-…` of create.
struct qemu_options {
	int memory; // MB
	int cpu_count; // -1: all of the host's
	int disk_size; // MB
	char *boot2docker_url; // ISO or folder with vmlinuz and initrd.img; empty: the installed one
	char *accelerator; // empty: the best that really works
	char *program;
	bool display; // a window; otherwise there is none
	bool nographic; // accepted: no window is the default
	bool virtio_drives; // accepted: the disk is always virtio
	char *network; // "user"; "tap" and "bridge": a second card besides
	char *network_interface; // of tap
	char *network_bridge;
	char *network_address; // of the machine on tap or bridge; empty: by DHCP
	struct strv share; // "DIR", "DIR:NAME"; none given: the home folder; "none" alone: nothing
	char *share_type; // "9p" or "virtiofs"
	char *template; // "auto", "always" or "never"
	int ssh_port, docker_port; // on 127.0.0.1; 0: a free one
};

// What that process does, as long as the machine's QEMU runs. Somebody else does it already, or QEMU does not run: success.
int qemu_forward_ports(struct machine *m, struct error *err) MUST_CHECK;
