// SPDX-License-Identifier: Apache-2.0
// The VirtualBox driver: machines of an installed VirtualBox, made and driven by its VBoxManage alone.
#pragma once

#include "../driver.h"

extern const struct driver virtualbox_driver;
extern const struct option_row virtualbox_options_rows[];

// The flags `--virtualbox-…` of create.
struct virtualbox_options {
	int memory; // MB
	int cpu_count; // below 1: all of the host's
	int disk_size; // MB
	char *boot2docker_url; // the ISO; empty: the installed one
	char *import_vm; // a VM of the old boot2docker tool to take disk, key and size from; empty: none
	bool host_dns_resolver;
	char *nat_nictype;
	char *hostonly_cidr;
	char *hostonly_nictype;
	char *hostonly_nicpromisc;
	char *ui_type;
	bool hostonly_no_dhcp;
	bool no_share;
	bool no_dns_proxy;
	bool no_vtx_check;
	char *share_folder; // DIR:NAME; empty: the home folders
};
