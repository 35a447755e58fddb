// SPDX-License-Identifier: Apache-2.0
// Stores of older versions of Docker Machine; see migrate.h.
//
// Version 0 (no ConfigVersion) has what became AuthOptions and SwarmOptions at the top. Version 1 has them where they are now, the
// CA's key under another name. Version 2 has the machine's folder where version 3 has the store's.
#include "migrate.h"

#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/path.h"
#include "store.h"

#include <string.h>

enum { CURRENT_VERSION = 3 };

// Moves a value to a dotted path, unless there is one already.
static void move(json_t *config, const char *from, const char *to)
{
	json_t *value = json_at(config, from);

	if (!value)
		return;
	if (!json_at(config, to))
		json_put(config, to, json_incref(value));
	const char *dot = strrchr(from, '.');
	cleanup_free char *parent = dot ? xstrndup(from, (size_t)(dot - from)) : xstrdup("");
	json_object_del(*parent ? json_at(config, parent) : config, dot ? dot + 1 : from);
}

static void from_version_0(json_t *config)
{
	static const char *const moves[][2] = {
		{ "StorePath", "HostOptions.AuthOptions.StorePath" },
		{ "CaCertPath", "HostOptions.AuthOptions.CaCertPath" },
		{ "PrivateKeyPath", "HostOptions.AuthOptions.PrivateKeyPath" },
		{ "ServerCertPath", "HostOptions.AuthOptions.ServerCertPath" },
		{ "ServerKeyPath", "HostOptions.AuthOptions.ServerKeyPath" },
		{ "ClientCertPath", "HostOptions.AuthOptions.ClientCertPath" },
		{ "ClientKeyPath", "HostOptions.AuthOptions.ClientKeyPath" },
		{ "SwarmHost", "HostOptions.SwarmOptions.Host" },
		{ "SwarmMaster", "HostOptions.SwarmOptions.Master" },
		{ "SwarmDiscovery", "HostOptions.SwarmOptions.Discovery" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		move(config, moves[i][0], moves[i][1]);
	if (!json_at(config, "HostOptions.EngineOptions"))
		json_put(config, "HostOptions.EngineOptions", json_object());
}

static void from_version_1(json_t *config)
{
	const char *ca = json_str_at(config, "HostOptions.AuthOptions.CaCertPath", NULL);

	if (ca && !json_at(config, "HostOptions.AuthOptions.CertDir")) {
		cleanup_free char *dir = path_dir(ca);
		json_put(config, "HostOptions.AuthOptions.CertDir", json_string(dir));
	}
	move(config, "HostOptions.AuthOptions.PrivateKeyPath", "HostOptions.AuthOptions.CaPrivateKeyPath");
}

static void from_version_2(const struct machine *m)
{
	json_put(m->config, "Driver.StorePath", json_string(m->ctx->storage_path));
	if (!json_at(m->config, "Driver.MachineName"))
		json_put(m->config, "Driver.MachineName", json_string(m->name));
	if (!json_at(m->config, "Name"))
		json_put(m->config, "Name", json_string(m->name));
}

void migrate_config(const struct machine *m)
{
	int64_t version = json_int_at(m->config, "ConfigVersion", 0);

	if (version >= CURRENT_VERSION)
		return;
	if (version < 1)
		from_version_0(m->config);
	if (version < 2)
		from_version_1(m->config);
	from_version_2(m);
	json_put(m->config, "ConfigVersion", json_integer(CURRENT_VERSION));
}
