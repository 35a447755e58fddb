// SPDX-License-Identifier: Apache-2.0
// What the host command and the system in its machines call by the same names. Either may be older than the other: a name that is here
// stays as it is.
#pragma once

// Files of QEMU's fw_cfg (docs/specs/fw_cfg in QEMU's sources), that the guest has below /sys/firmware/qemu_fw_cfg/by_name/.
// A tar of what belongs into /var/lib/boot2docker: certificates, hostname, SSH keys.
#define CONTRACT_PROVISION "opt/boot2docker/provision.tar"
// The shared folders to be mounted.
#define CONTRACT_SHARES "opt/boot2docker/shares"

// The kernel's parameter (admin-guide/sysctl/kernel.rst) that may be set on its command line for the boot, as `sysctl.kernel.…=1`: the guest
// takes it back when its engine answers. From then on a processor that stands still is no reason to panic.
#define CONTRACT_STALL_PANIC "panic_on_rcu_stall"

// A word of the kernel's command line: boot as a template (doc/instant-create.md), which then writes this to its console.
#define CONTRACT_TEMPLATE "boot2docker.template"
#define CONTRACT_TEMPLATE_READY "This machine is a template, and waits for its birth"
// A machine that goes on from it with a provision.tar of its own writes one of these, the second with the reason behind it: the host
// boots the machine instead.
#define CONTRACT_BORN "This machine is born"
#define CONTRACT_NOT_BORN "This machine cannot be born: "
