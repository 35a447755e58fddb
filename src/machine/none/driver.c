// SPDX-License-Identifier: Apache-2.0
// The driver none; see none.h.
#include "none.h"

#include "../create.h"
#include "../store.h"
#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/number.h"

#include <errno.h>
#include <string.h>

enum { ENGINE_PORT = 2376, PORT_MAX = 65535 };
static const char SCHEME[] = "tcp://";

const struct option_row none_options_rows[] = {
	{ "url", 0, OPTION_STRING, offsetof(struct create_options, none.url), "MACHINE_URL", "", "URL",
	  "URL of host when no driver is selected" },
	{ 0 },
};

static int parse_url(const char *url, char **ret_host, int *ret_port, struct error *err)
{
	const char *host = url + strlen(SCHEME);
	int port = ENGINE_PORT;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return error_say(err, EINVAL, "--url %s: only tcp://HOST[:PORT] can be used", url);
	size_t len = strcspn(host, ":/");
	if (!len || host[len] == '/')
		return error_say(err, EINVAL, "--url %s: it is tcp://HOST[:PORT]", url);
	int r = host[len] ? number_parse_int(host + len + 1, 1, PORT_MAX, &port, err) : 0;
	if (r < 0)
		return error_wrap(err, "--url %s: the port", url);
	*ret_host = xstrndup(host, len);
	*ret_port = port;
	return 0;
}

static int check(const struct context *ctx, const struct create_options *o, struct error *err)
{
	cleanup_free char *host = NULL;
	int port;

	(void)ctx;
	if (!*o->none.url)
		return error_say(err, EINVAL, "--url option is required when no driver is selected");
	return parse_url(o->none.url, &host, &port, err);
}

static void configure(struct machine *m, const struct create_options *o)
{
	json_t *driver = json_at(m->config, "Driver");
	cleanup_free char *host = NULL;
	int port;

	if (parse_url(o->none.url, &host, &port, NULL) < 0)
		return;
	json_object_set_new(driver, "IPAddress", json_text(host));
	json_object_set_new(driver, "EnginePort", json_integer(port));
	json_object_set_new(driver, "URL", json_text(o->none.url));
}

static int create(struct machine *m, struct error *err)
{
	(void)m;
	(void)err;
	return 0;
}

static int refuse(const char *verb, const char *participle, struct error *err)
{
	(void)verb;
	return error_say(err, ENOTSUP, "hosts without a driver cannot be %s", participle);
}

// Nobody can be asked, as with Docker Machine.
static int state(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err)
{
	(void)m;
	(void)timeout_ms;
	(void)err;
	*ret = STATE_RUNNING;
	return 0;
}

const struct driver none_driver = {
	.name = "none",
	.check = check,
	.configure = configure,
	.create = create,
	.state = state,
	.refuse = refuse,
	.over_network = true,
};
