// SPDX-License-Identifier: Apache-2.0
// Ports of 127.0.0.1 that machines forward; see ports.h.
#include "ports.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/log.h"
#include "net.h"
#include "store.h"

#include <string.h>

enum { LAST_PORT = 65535 };
static const char *const fields[] = { "SSHPort", "EnginePort" };

struct ports {
	int taken[2048]; // by machines of the store, also by those that do not run now
	size_t count;
};

static bool is_taken(int port, const void *arg)
{
	const struct ports *ports = arg;

	for (size_t i = 0; i < ports->count; i++)
		if (ports->taken[i] == port)
			return true;
	return false;
}

static void collect(const json_t *config, const char *except, struct ports *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields) && ret->count < ARRAY_SIZE(ret->taken); i++)
		if (!except || strcmp(fields[i], except) != 0)
			ret->taken[ret->count++] = (int)json_int_at(json_object_get(config, "Driver"), fields[i], 0);
}

static void collect_all(const struct machine *m, const char *field, struct ports *ret)
{
	cleanup_strv struct strv names = STRV_INIT;

	collect(m->config, field, ret);
	if (machine_list(m->ctx, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_machine struct machine *other = NULL;
		if (strcmp(names.items[i], m->name) != 0 && machine_load(m->ctx, names.items[i], &other, NULL) == 0)
			collect(other->config, NULL, ret);
	}
}

int ports_settle(struct machine *m, const char *field, int first, struct error *err)
{
	json_t *driver = json_object_get(m->config, "Driver");
	int64_t written = json_int_at(driver, field, 0);
	int had = written > 0 && written <= LAST_PORT ? (int)written : 0; // anybody may have edited it
	int port = had;

	if (had <= 0 || !net_port_is_free(had)) {
		cleanup_free struct ports *ports = xcalloc(1, sizeof(*ports));
		collect_all(m, field, ports);
		int r = net_free_port(had > 0 ? had + 1 : first, is_taken, ports, &port, err);
		if (r < 0)
			return error_wrap(err, "machine \"%s\"", m->name);
	}
	if (had > 0 && port != had)
		log_warn("port %d of 127.0.0.1 is taken: machine \"%s\" uses %d", had, m->name, port);
	json_object_set_new(driver, field, json_integer(port));
	return 0;
}
