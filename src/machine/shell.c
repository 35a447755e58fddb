// SPDX-License-Identifier: Apache-2.0
// How each shell sets and unsets variables; see shell.h.
#include "shell.h"

#include "lib/macros.h"
#include "lib/path.h"

#include <string.h>

struct shell {
	const char *name;
	const char *set[3]; // before the variable, between it and the value, after
	const char *unset[2]; // before the variable, after
	const char *comment;
	const char *eval[2]; // before the command line, after
	const char *special; // characters of a value that are escaped...
	const char *escape; // ...by this before them
};

static const struct shell shells[] = {
	{ "sh", { "export ", "=\"", "\"\n" }, { "unset ", "\n" }, "#", { "eval $(", ")" }, "\"\\$`", "\\" },
	{ "fish", { "set -gx ", " \"", "\";\n" }, { "set -e ", ";\n" }, "#", { "eval (", ")" }, "\"\\$", "\\" },
	{ "powershell",
	  { "$Env:", " = \"", "\"\n" },
	  { "Remove-Item Env:\\\\", "\n" },
	  "#",
	  { "& ", " | Invoke-Expression" },
	  "\"$`",
	  "`" },
	{ "cmd",
	  { "SET ", "=", "\n" },
	  { "SET ", "=\n" },
	  "REM",
	  { "\t@FOR /f \"tokens=*\" %i IN ('", "') DO @%i" },
	  "",
	  "" },
	{ "tcsh", { "setenv ", " \"", "\";\n" }, { "unsetenv ", ";\n" }, ":", { "eval `", "`" }, "\"$`!", "\\" },
	{ "emacs",
	  { "(setenv \"", "\" \"", "\")\n" },
	  { "(setenv \"", "\" nil)\n" },
	  ";;",
	  { "(with-temp-buffer (shell-command \"", "\" (current-buffer)) (eval-buffer))" },
	  "\"\\",
	  "\\" },
};

static const struct {
	const char *name, *like;
} aliases[] = { { "csh", "tcsh" }, { "pwsh", "powershell" } };

static const struct shell *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].name, name) == 0)
			name = aliases[i].like;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (strcmp(shells[i].name, name) == 0)
			return &shells[i];
	return &shells[0];
}

const struct shell *shell_choose(const char *name, const char *login_shell)
{
	if (name && *name)
		return find(name);
	return find(login_shell ? path_base(login_shell) : "");
}

void shell_set(const struct shell *shell, const char *name, const char *value, FILE *out)
{
	fprintf(out, "%s%s%s", shell->set[0], name, shell->set[1]);
	for (; *value; value++) {
		if (strchr(shell->special, *value))
			fputs(shell->escape, out);
		fputc(*value, out);
	}
	fputs(shell->set[2], out);
}

void shell_unset(const struct shell *shell, const char *name, FILE *out)
{
	fprintf(out, "%s%s%s", shell->unset[0], name, shell->unset[1]);
}

void shell_hint(const struct shell *shell, const char *command_line, struct buf *ret)
{
	buf_printf(ret, "%s Run this command to configure your shell: \n%s %s%s%s\n", shell->comment, shell->comment,
		   shell->eval[0], command_line, shell->eval[1]);
}
