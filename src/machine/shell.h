// SPDX-License-Identifier: Apache-2.0
// How each shell sets and unsets variables, as `env` prints it.
#pragma once

#include "lib/buf.h"

struct shell;

// The shell named by --shell, else the one of $SHELL (a path), else sh. A name that we do not know is treated as sh, as
// Docker Machine does.
const struct shell *shell_choose(const char *name, const char *login_shell);
void shell_set(const struct shell *shell, const char *name, const char *value, FILE *out);
void shell_unset(const struct shell *shell, const char *name, FILE *out);
// The two comment lines that tell how to evaluate the output of `command_line`.
void shell_hint(const struct shell *shell, const char *command_line, struct buf *ret);
