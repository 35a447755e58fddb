// SPDX-License-Identifier: Apache-2.0
// `env`: what a shell evaluates so that the docker client talks to a machine.
#include "commands.h"

#include "../connection.h"
#include "../driver.h"
#include "../each.h"
#include "../shell.h"
#include "lib/alloc.h"

#include <errno.h>
#include <string.h>

struct options {
	bool swarm, unset, no_proxy;
	char *shell;
};

static const struct option_row rows[] = {
	{ "swarm", 0, OPTION_BOOL, offsetof(struct options, swarm),
	  .help = "Accepted for compatibility: there is no classic Swarm any more" },
	{ "shell", 0, OPTION_STRING, offsetof(struct options, shell), .argument = "SHELL",
	  .help = "Force environment to be configured for a specified shell: [fish, cmd, powershell, tcsh, emacs], "
		  "default is auto-detect" },
	{ "unset", 'u', OPTION_BOOL, offsetof(struct options, unset),
	  .help = "Unset variables instead of setting them" },
	{ "no-proxy", 0, OPTION_BOOL, offsetof(struct options, no_proxy),
	  .help = "Add machine IP to NO_PROXY environment variable" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

// The variable that is in use: the lower case one when it is set, else the upper case one.
static const char *no_proxy_variable(void)
{
	const char *lower = getenv("no_proxy");

	return lower && *lower ? "no_proxy" : "NO_PROXY";
}

static bool list_has(const char *list, const char *entry)
{
	cleanup_strv struct strv entries = STRV_INIT;

	strv_split(&entries, list, ", ");
	return strv_contains(&entries, entry);
}

static char *no_proxy_value(const char *ip)
{
	const char *now = getenv(no_proxy_variable());

	if (!now || !*now)
		return xstrdup(ip);
	return list_has(now, ip) ? xstrdup(now) : xasprintf("%s,%s", now, ip);
}

static void print_hint(const struct context *ctx, const struct shell *shell)
{
	cleanup_buf struct buf line = BUF_INIT;
	cleanup_buf struct buf hint = BUF_INIT;

	buf_puts(&line, ctx->program);
	for (size_t i = 0; i < ctx->words.count; i++)
		buf_printf(&line, " %s", ctx->words.items[i]);
	shell_hint(shell, buf_str(&line), &hint);
	fputs(buf_str(&hint), stdout);
}

static void print_unset(const struct context *ctx, const struct shell *shell, bool no_proxy)
{
	const char *names[] = { "DOCKER_TLS_VERIFY",
				"DOCKER_HOST",
				"DOCKER_CERT_PATH",
				"DOCKER_MACHINE_NAME",
				no_proxy ? no_proxy_variable() : NULL,
				NULL };

	for (const char **name = names; *name; name++)
		shell_unset(shell, *name, stdout);
	print_hint(ctx, shell);
}

static void print_set(const struct machine *m, const struct shell *shell, const char *url, bool no_proxy)
{
	shell_set(shell, "DOCKER_TLS_VERIFY", "1", stdout);
	shell_set(shell, "DOCKER_HOST", url, stdout);
	shell_set(shell, "DOCKER_CERT_PATH", m->dir, stdout);
	shell_set(shell, "DOCKER_MACHINE_NAME", m->name, stdout);
	if (no_proxy) {
		cleanup_free char *value = no_proxy_value(machine_ip(m));
		shell_set(shell, no_proxy_variable(), value, stdout);
	}
	print_hint(m->ctx, shell);
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;
	cleanup_free char *url = NULL;
	const struct shell *shell = shell_choose(options->shell, getenv("SHELL"));

	if (options->unset && operands->count)
		return error_say(err, EINVAL, "Error: Expected no machine name when the -u flag is present");
	if (options->unset) {
		print_unset(ctx, shell, options->no_proxy);
		return 0;
	}
	int r = machine_named(ctx, operands, &m, err);
	if (r == 0)
		r = connection_check(m, &url, err);
	if (r == 0)
		print_set(m, shell, url, options->no_proxy);
	return r;
}

const struct command command_env = {
	.name = "env",
	.arguments = "[NAME]",
	.summary = "Display the commands to set up the environment for the Docker client",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
