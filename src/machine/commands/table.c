// SPDX-License-Identifier: Apache-2.0
// The table of all commands: those that are there, and those of the contract that are not there yet and say so.
#include "commands.h"

#define NOT_YET(verb)                                                                       \
	&(const struct command)                                                             \
	{                                                                                   \
		.name = (verb), .arguments = "", .summary = "not there yet in this version" \
	}

const struct command *const commands[] = {
	&command_active,
	&command_config,
	&command_create,
	&command_doctor,
	&command_env,
	&command_inspect,
	&command_ip,
	&command_kill,
	&command_ls,
	&command_mount,
	&command_provision,
	&command_regenerate_certs,
	&command_restart,
	&command_rm,
	&command_save,
	&command_scp,
	&command_ssh,
	&command_start,
	&command_status,
	&command_stop,
	&command_url,
	&command_use,
	&command_version,
	// The older tool's.
	&command_init,
	&command_info,
	&command_cfg,
	&command_shellinit,
	&command_reset,
	&command_help_row,
	&command_complete,
	&command_forward_ports,
	&command_manual,
	NOT_YET("upgrade"),
	NOT_YET("download"),
	NULL,
};
