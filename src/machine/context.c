// SPDX-License-Identifier: Apache-2.0
// The global flags and the store's place; see context.h.
#include "context.h"

#include "lib/alloc.h"
#include "lib/log.h"
#include "lib/path.h"
#include "older-profile.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FIELD(name) offsetof(struct context, name)

const struct option_row context_options[] = {
	{ "debug", 'D', OPTION_BOOL, FIELD(debug), "MACHINE_DEBUG",
	  .help = "Enable debug mode: print every command that is run" },
	{ "storage-path", 's', OPTION_STRING, FIELD(storage_path), "MACHINE_STORAGE_PATH", .argument = "DIR",
	  .help = "Configures storage path (default: ~/.docker/machine)" },
	{ "tls-ca-cert", 0, OPTION_STRING, FIELD(ca_cert), "MACHINE_TLS_CA_CERT", .argument = "FILE",
	  .help = "CA to verify remotes against" },
	{ "tls-ca-key", 0, OPTION_STRING, FIELD(ca_key), "MACHINE_TLS_CA_KEY", .argument = "FILE",
	  .help = "Private key to generate certificates" },
	{ "tls-client-cert", 0, OPTION_STRING, FIELD(client_cert), "MACHINE_TLS_CLIENT_CERT", .argument = "FILE",
	  .help = "Client cert to use for TLS" },
	{ "tls-client-key", 0, OPTION_STRING, FIELD(client_key), "MACHINE_TLS_CLIENT_KEY", .argument = "FILE",
	  .help = "Private key used in client TLS auth" },
	{ "github-api-token", 0, OPTION_STRING, FIELD(github_api_token), "MACHINE_GITHUB_API_TOKEN",
	  .argument = "TOKEN", .help = "Accepted for compatibility; no effect" },
	{ "native-ssh", 0, OPTION_BOOL, FIELD(native_ssh), "MACHINE_NATIVE_SSH",
	  .help = "Accepted for compatibility; no effect" },
	{ "bugsnag-api-token", 0, OPTION_STRING, FIELD(bugsnag_api_token), "MACHINE_BUGSNAG_API_TOKEN",
	  .argument = "TOKEN", .help = "Accepted for compatibility; no effect" },
	{ "vm", 0, OPTION_STRING, FIELD(vm), .argument = "NAME",
	  .help = "The machine that is meant where a command names none (default: the profile's VM, else "
		  "\"default\")" },
	{ "help", 'h', OPTION_BOOL, FIELD(help), .help = "Show help" },
	{ "version", 'v', OPTION_BOOL, FIELD(version), .help = "Print the version" },
	{ 0 },
};

static const struct option_row *const tables[] = { context_options, NULL };

static const char *program_name(const char *argv0)
{
	const char *base = argv0 ? path_base(argv0) : "";

	return strcmp(base, "docker-machine") == 0 ? "docker-machine" : "boot2docker";
}

// QEMU and ssh are started from other folders: every path must hold there, too.
static int make_absolute(char **path, struct error *err)
{
	char cwd[PATH_MAX];

	if (**path == '/')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return error_set(err, errno, "find the current folder (for %s)", *path);
	char *absolute = path_join(cwd, *path);
	free(*path);
	*path = absolute;
	return 0;
}

static int default_storage_path(struct context *ctx, struct error *err)
{
	const char *home = getenv("HOME");

	if (ctx->storage_path && *ctx->storage_path)
		return make_absolute(&ctx->storage_path, err);
	if (!home || !*home)
		return error_say(err, ENOENT, "HOME is not set; set it, or name the store with --storage-path DIR");
	free(ctx->storage_path);
	ctx->storage_path = path_join(home, ".docker/machine");
	return make_absolute(&ctx->storage_path, err);
}

static int default_cert_path(const struct context *ctx, char **path, const char *name, struct error *err)
{
	if (*path && **path)
		return make_absolute(path, err);
	free(*path);
	*path = xasprintf("%s/certs/%s", ctx->storage_path, name);
	return 0;
}

bool context_is_boot2docker(const struct context *ctx)
{
	return strcmp(ctx->program, "boot2docker") == 0;
}

// A profile that cannot be read is an error of those commands that need it, and a warning for all others.
static void read_profile(struct context *ctx)
{
	static const char flag[] = "--vm=";
	cleanup_strv struct strv flags = STRV_INIT;
	struct error err = ERROR_INIT;

	if (ctx->vm || !context_is_boot2docker(ctx))
		return;
	if (older_profile_read(&flags, &err) < 0)
		log_warn("%s", err.msg);
	for (size_t i = 0; i < flags.count; i++)
		if (strncmp(flags.items[i], flag, strlen(flag)) == 0) {
			free(ctx->vm);
			ctx->vm = xstrdup(flags.items[i] + strlen(flag));
		}
}

int context_init(struct context *ctx, int argc, char **argv, struct error *err)
{
	struct option_parse how = { .stop_at_operand = true, .operands = &ctx->operands };

	ctx->program = program_name(argv[0]);
	for (int i = 1; i < argc; i++)
		strv_push(&ctx->words, argv[i]);
	int r = option_parse(tables, ctx, argc, argv, &how, err);
	if (r < 0)
		return r;
	log_set_level(ctx->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	read_profile(ctx);
	r = default_storage_path(ctx, err);
	if (r == 0)
		r = default_cert_path(ctx, &ctx->ca_cert, "ca.pem", err);
	if (r == 0)
		r = default_cert_path(ctx, &ctx->ca_key, "ca-key.pem", err);
	if (r == 0)
		r = default_cert_path(ctx, &ctx->client_cert, "cert.pem", err);
	if (r == 0)
		r = default_cert_path(ctx, &ctx->client_key, "key.pem", err);
	return r;
}

void context_done(struct context *ctx)
{
	option_done(tables, ctx);
	strv_done(&ctx->operands);
	strv_done(&ctx->words);
}
