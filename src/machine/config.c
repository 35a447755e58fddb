// SPDX-License-Identifier: Apache-2.0
// A new machine's config.json; see config.h.
#include "config.h"

#include "create.h"
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/path.h"
#include "store.h"

static json_t *list(const struct strv *values)
{
	json_t *array = json_array();

	for (size_t i = 0; i < values->count; i++)
		json_array_append_new(array, json_text(values->items[i]));
	return array;
}

static json_t *driver_object(const struct machine *m, const struct create_options *o)
{
	json_t *driver = json_object();
	cleanup_free char *key = machine_path(m, "id_rsa");

	json_object_set_new(driver, "IPAddress", json_text(""));
	json_object_set_new(driver, "MachineName", json_text(m->name));
	json_object_set_new(driver, "SSHUser", json_text("docker"));
	json_object_set_new(driver, "SSHPort", json_integer(22));
	json_object_set_new(driver, "SSHKeyPath", json_text(key));
	json_object_set_new(driver, "StorePath", json_text(m->ctx->storage_path));
	json_object_set_new(driver, "SwarmMaster", json_boolean(o->swarm_master));
	json_object_set_new(driver, "SwarmHost", json_text(o->swarm_host));
	json_object_set_new(driver, "SwarmDiscovery", json_text(o->swarm_discovery));
	return driver;
}

static json_t *engine_options(const struct create_options *o)
{
	json_t *engine = json_object();

	json_object_set_new(engine, "ArbitraryFlags", list(&o->engine_opt));
	json_object_set_new(engine, "Dns", json_null());
	json_object_set_new(engine, "GraphDir", json_text(""));
	json_object_set_new(engine, "Env", list(&o->engine_env));
	json_object_set_new(engine, "Ipv6", json_false());
	json_object_set_new(engine, "InsecureRegistry", list(&o->engine_insecure_registry));
	json_object_set_new(engine, "Labels", list(&o->engine_label));
	json_object_set_new(engine, "LogLevel", json_text(""));
	json_object_set_new(engine, "StorageDriver", json_text(o->engine_storage_driver));
	json_object_set_new(engine, "SelinuxEnabled", json_false());
	json_object_set_new(engine, "TlsVerify", json_true());
	json_object_set_new(engine, "RegistryMirror", list(&o->engine_registry_mirror));
	json_object_set_new(engine, "InstallURL", json_text(o->engine_install_url));
	return engine;
}

static json_t *swarm_options(const struct create_options *o)
{
	json_t *swarm = json_object();

	json_object_set_new(swarm, "IsSwarm", json_boolean(o->swarm));
	json_object_set_new(swarm, "Address", json_text(o->swarm_addr));
	json_object_set_new(swarm, "Discovery", json_text(o->swarm_discovery));
	json_object_set_new(swarm, "Agent", json_boolean(o->swarm));
	json_object_set_new(swarm, "Master", json_boolean(o->swarm_master));
	json_object_set_new(swarm, "Host", json_text(o->swarm_host));
	json_object_set_new(swarm, "Image", json_text(o->swarm_image));
	json_object_set_new(swarm, "Strategy", json_text(o->swarm_strategy));
	json_object_set_new(swarm, "Heartbeat", json_integer(0));
	json_object_set_new(swarm, "Overcommit", json_integer(0));
	json_object_set_new(swarm, "ArbitraryFlags", list(&o->swarm_opt));
	json_object_set_new(swarm, "ArbitraryJoinFlags", list(&o->swarm_join_opt));
	json_object_set_new(swarm, "Env", json_null());
	json_object_set_new(swarm, "IsExperimental", json_boolean(o->swarm_experimental));
	return swarm;
}

static void put_path(json_t *object, const char *key, const struct machine *m, const char *file)
{
	cleanup_free char *path = machine_path(m, file);

	json_object_set_new(object, key, json_text(path));
}

static json_t *auth_options(const struct machine *m, const struct create_options *o)
{
	const struct context *ctx = m->ctx;
	json_t *auth = json_object();
	cleanup_free char *dir = path_dir(ctx->ca_cert);

	json_object_set_new(auth, "CertDir", json_text(dir));
	json_object_set_new(auth, "CaCertPath", json_text(ctx->ca_cert));
	json_object_set_new(auth, "CaPrivateKeyPath", json_text(ctx->ca_key));
	json_object_set_new(auth, "CaCertRemotePath", json_text("/var/lib/boot2docker/ca.pem"));
	put_path(auth, "ServerCertPath", m, "server.pem");
	put_path(auth, "ServerKeyPath", m, "server-key.pem");
	json_object_set_new(auth, "ClientKeyPath", json_text(ctx->client_key));
	json_object_set_new(auth, "ServerCertRemotePath", json_text("/var/lib/boot2docker/server.pem"));
	json_object_set_new(auth, "ServerKeyRemotePath", json_text("/var/lib/boot2docker/server-key.pem"));
	json_object_set_new(auth, "ClientCertPath", json_text(ctx->client_cert));
	json_object_set_new(auth, "ServerCertSANs", list(&o->tls_san));
	json_object_set_new(auth, "StorePath", json_text(m->dir));
	return auth;
}

void config_fill(struct machine *m, const struct create_options *o)
{
	json_t *host = json_object();

	json_object_set_new(m->config, "ConfigVersion", json_integer(3));
	json_object_set_new(m->config, "Driver", driver_object(m, o));
	json_object_set_new(m->config, "DriverName", json_text(o->driver));
	json_object_set_new(host, "Driver", json_text(""));
	json_object_set_new(host, "Memory", json_integer(0));
	json_object_set_new(host, "Disk", json_integer(0));
	json_object_set_new(host, "EngineOptions", engine_options(o));
	json_object_set_new(host, "SwarmOptions", swarm_options(o));
	json_object_set_new(host, "AuthOptions", auth_options(m, o));
	json_object_set_new(m->config, "HostOptions", host);
	json_object_set_new(m->config, "Name", json_text(m->name));
}
