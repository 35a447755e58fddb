// SPDX-License-Identifier: Apache-2.0
// `create`: makes a machine, starts it with its certificates, and waits until its engine answers.
//
// Theory of operation. Everything a machine is lies in its folder, and config.json is the first file there: so whatever
// ends the command (kill -9, a full disk, a power cut), `rm` finds the machine and removes it, with the hypervisor that
// may run. What ends it in an orderly way (an error, Ctrl-C, a closed terminal) is cleaned up here: hypervisor ended,
// folder removed.
#include "../create.h"

#include "../certs.h"
#include "../config.h"
#include "../docker-context.h"
#include "../power.h"
#include "../run.h"
#include "../store.h"
#include "commands.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>
#include <sys/stat.h>

enum { EXIT_PRECREATE = 3 };

#define FIELD(name) offsetof(struct create_options, name)

static const struct option_row shared_rows[] = {
	{ "driver", 'd', OPTION_STRING, FIELD(driver), "MACHINE_DRIVER", .argument = "NAME",
	  .help = "Driver to create machine with: qemu, virtualbox, generic, none (default: the one whose program is "
		  "installed)" },
	{ "engine-install-url", 0, OPTION_STRING, FIELD(engine_install_url), "MACHINE_DOCKER_INSTALL_URL",
	  "https://get.docker.com", "URL", "Accepted for compatibility: the engine is in the image" },
	{ "engine-opt", 0, OPTION_LIST, FIELD(engine_opt), "ENGINE_OPT", .argument = "FLAG=VALUE",
	  .help = "Specify arbitrary flags to include with the created engine in the form flag=value" },
	{ "engine-insecure-registry", 0, OPTION_LIST, FIELD(engine_insecure_registry), "ENGINE_INSECURE_REGISTRY",
	  .argument = "HOST", .help = "Specify insecure registries to allow with the created engine" },
	{ "engine-registry-mirror", 0, OPTION_LIST, FIELD(engine_registry_mirror), "ENGINE_REGISTRY_MIRROR",
	  .argument = "URL", .help = "Specify registry mirrors to use" },
	{ "engine-label", 0, OPTION_LIST, FIELD(engine_label), "ENGINE_LABEL", .argument = "KEY=VALUE",
	  .help = "Specify labels for the created engine" },
	{ "engine-storage-driver", 0, OPTION_STRING, FIELD(engine_storage_driver), "ENGINE_STORAGE_DRIVER",
	  .argument = "NAME", .help = "Specify a storage driver to use with the engine" },
	{ "engine-env", 0, OPTION_LIST, FIELD(engine_env), "ENGINE_ENV", .argument = "NAME=VALUE",
	  .help = "Specify environment variables to set in the engine" },
	{ "swarm", 0, OPTION_BOOL, FIELD(swarm), "MACHINE_SWARM",
	  .help = "Stored only: there is no classic Swarm any more" },
	{ "swarm-image", 0, OPTION_STRING, FIELD(swarm_image), "MACHINE_SWARM_IMAGE", "swarm:latest", "IMAGE",
	  "Stored only" },
	{ "swarm-master", 0, OPTION_BOOL, FIELD(swarm_master), "MACHINE_SWARM_MASTER", .help = "Stored only" },
	{ "swarm-discovery", 0, OPTION_STRING, FIELD(swarm_discovery), "MACHINE_SWARM_DISCOVERY", .argument = "TOKEN",
	  .help = "Stored only" },
	{ "swarm-strategy", 0, OPTION_STRING, FIELD(swarm_strategy), "MACHINE_SWARM_STRATEGY", "spread", "NAME",
	  "Stored only" },
	{ "swarm-opt", 0, OPTION_LIST, FIELD(swarm_opt), "MACHINE_SWARM_OPT", .argument = "FLAG=VALUE",
	  .help = "Stored only" },
	{ "swarm-join-opt", 0, OPTION_LIST, FIELD(swarm_join_opt), "MACHINE_SWARM_JOIN_OPT", .argument = "FLAG=VALUE",
	  .help = "Stored only" },
	{ "swarm-host", 0, OPTION_STRING, FIELD(swarm_host), "MACHINE_SWARM_HOST", "tcp://0.0.0.0:3376", "URL",
	  "Stored only" },
	{ "swarm-addr", 0, OPTION_STRING, FIELD(swarm_addr), "MACHINE_SWARM_ADDR", .argument = "ADDRESS",
	  .help = "Stored only" },
	{ "swarm-experimental", 0, OPTION_BOOL, FIELD(swarm_experimental), "MACHINE_SWARM_EXPERIMENTAL",
	  .help = "Stored only" },
	{ "no-start", 0, OPTION_BOOL, FIELD(no_start), .help = "Make the machine only; start does the rest" },
	{ "tls-san", 0, OPTION_LIST, FIELD(tls_san), "MACHINE_TLS_SAN", .argument = "NAME",
	  .help = "Support extra SANs for TLS certs" },
	{ 0 },
};

static int check_name(const struct context *ctx, const struct strv *operands, struct error *err)
{
	if (operands->count != 1)
		return error_say(err, EINVAL,
				 operands->count
					 ? "Invalid command line. Found extra arguments after the machine's name"
					 : "Error: No machine name specified");
	const char *name = operands->items[0];
	if (!machine_name_is_valid(name))
		return error_say(err, EINVAL,
				 "Error creating machine: Invalid hostname specified. Allowed hostname chars are: "
				 "0-9a-zA-Z . -");
	if (machine_exists(ctx, name))
		return error_say(err, EEXIST, "Docker machine \"%s\" already exists", name);
	return 0;
}

// The folder, by mkdir itself, so that of two commands at once only one gets it; then config.json at once.
static int claim(struct machine *m, struct error *err)
{
	cleanup_free char *machines = path_dir(m->dir);

	int r = file_mkdirs(machines, 0700, err);
	if (r < 0)
		return r;
	if (mkdir(m->dir, 0700) < 0)
		return errno == EEXIST ? error_say(err, EEXIST, "Docker machine \"%s\" already exists", m->name)
				       : error_set(err, errno, "make %s", m->dir);
	return machine_save(m, err);
}

static int make(struct machine *m, bool no_start, struct error *err)
{
	power_await_provision(m, m->driver->start != NULL);
	int r = machine_save(m, err);

	if (r == 0)
		r = certs_make_server(m, err);
	if (r == 0)
		r = interrupt_check(err);
	if (r == 0)
		r = m->driver->create(m, err);
	if (r == 0)
		r = interrupt_check(err);
	if (r < 0 || no_start || !m->driver->start)
		return r;
	if (!m->driver->refuse)
		log_info("(%s) Starting the VM...", m->name);
	r = power_launch(m, PROVISION_ALL, err);
	if (r == 0)
		r = power_wait(m, PROVISION_ALL, true, err);
	if (r == 0)
		r = interrupt_check(err);
	power_await_provision(m, false);
	return r < 0 ? r : machine_save(m, err);
}

// Leaves nothing half-made behind; what cannot be removed is said, and `rm` is the way on.
static void undo(struct machine *m)
{
	struct error err = ERROR_INIT;

	if (machine_end(m, &err) < 0 || file_remove_tree(m->dir, &err) < 0)
		log_warn("%s; remove what is left with \"%s rm -f %s\"", err.msg, m->ctx->program, m->name);
}

// A machine is whole without it, so what goes wrong is only said.
static void add_context(const struct machine *m)
{
	struct error err = ERROR_INIT;

	if (docker_context_write(m, &err) < 0)
		log_info("(%s) No docker context: %s", m->name, err.msg);
}

static int create(const struct context *ctx, const char *name, const struct driver *driver,
		  const struct create_options *options, struct error *err)
{
	cleanup_machine struct machine *m = machine_new(ctx, name);
	cleanup_close int lock = -1;

	m->driver = driver;
	config_fill(m, options);
	driver->configure(m, options);
	interrupt_catch();
	int r = certs_ensure(ctx, err);
	if (r == 0)
		r = machine_lock(ctx, name, &lock, err);
	if (r == 0)
		r = claim(m, err);
	if (r < 0)
		return r;
	log_info("Creating machine...");
	r = make(m, options->no_start && !driver->refuse, err);
	if (r < 0)
		undo(m);
	else
		add_context(m);
	return r;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	struct create_options *options = arg;
	const struct driver *driver;

	int r = check_name(ctx, operands, err);
	if (!options->driver || !*options->driver) {
		free(options->driver);
		options->driver = xstrdup(driver_default());
	}
	if (r == 0)
		r = driver_get(options->driver, &driver, err);
	if (r < 0)
		return r;
	if (options->swarm || options->swarm_master)
		log_warn("classic Swarm is gone: the --swarm flags are only stored; see \"docker swarm init\" for "
			 "swarm mode");
	log_info("Running pre-create checks...");
	if (driver->check(ctx, options, err) < 0) {
		fprintf(stderr, "Error with pre-create check: \"%s\"\n", err->msg);
		return EXIT_PRECREATE;
	}
	r = create(ctx, operands->items[0], driver, options, err);
	if (r < 0)
		return r == -EEXIST ? r : error_wrap(err, "Error creating machine");
	if (options->no_start)
		return 0;
	if (driver->start)
		log_info("Docker is up and running!");
	log_info("To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: "
		 "%s env %s",
		 ctx->program, operands->items[0]);
	return 0;
}

// The drivers' rows stand behind the shared ones.
static const struct option_row *const tables[] = { shared_rows,          qemu_options_rows, virtualbox_options_rows,
						   generic_options_rows, none_options_rows, NULL };

const struct command command_create = {
	.name = "create",
	.arguments = "NAME",
	.summary = "Create a machine",
	.options = tables,
	.options_size = sizeof(struct create_options),
	.run = run,
};
