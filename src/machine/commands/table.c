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
	&command_help_row,
	&command_complete,
	&command_manual,
	NOT_YET("upgrade"),
	// The older tool's.
	NOT_YET("init"),
	NOT_YET("up"),
	NOT_YET("boot"),
	NOT_YET("resume"),
	NOT_YET("down"),
	NOT_YET("halt"),
	NOT_YET("poweroff"),
	NOT_YET("reset"),
	NOT_YET("destroy"),
	NOT_YET("info"),
	NOT_YET("cfg"),
	NOT_YET("shellinit"),
	NOT_YET("socket"),
	NOT_YET("download"),
	NULL,
};
