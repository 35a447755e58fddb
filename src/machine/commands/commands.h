// SPDX-License-Identifier: Apache-2.0
// The rows of the command table: one file each.
#pragma once

#include "../command.h"

extern const struct command command_active, command_boot_chart, command_cfg, command_complete, command_config,
	command_create, command_doctor, command_env, command_help_row, command_info, command_init, command_inspect,
	command_ip, command_kill, command_ls, command_manual, command_mount, command_reset, command_restart,
	command_provision, command_regenerate_certs, command_rm, command_save, command_scp, command_shellinit,
	command_ssh, command_start, command_status, command_stop, command_system, command_url, command_use,
	command_version, command_forward_ports, command_download, command_upgrade;
