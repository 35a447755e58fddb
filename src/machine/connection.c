// SPDX-License-Identifier: Apache-2.0
// Can a docker client reach this machine; see connection.h.
#include "connection.h"

#include "certs.h"
#include "driver.h"
#include "run.h"
#include "store.h"

#include <errno.h>

void connection_print_exports(const struct machine *m, const char *url)
{
	cleanup_buf struct buf lines = BUF_INIT;

	buf_printf(&lines, "    export DOCKER_HOST=%s\n    export DOCKER_CERT_PATH=", url);
	run_quote(&lines, m->dir);
	buf_puts(&lines, "\n    export DOCKER_TLS_VERIFY=1\n");
	fputs(buf_str(&lines), stdout);
}

int connection_check(struct machine *m, char **ret_url, struct error *err)
{
	int r = machine_require_running(m, err);

	if (r < 0)
		return error_wrap(err, "Error checking TLS connection");
	r = certs_check_server(m, 0, err);
	if (r > 0) {
		*ret_url = machine_url(m);
		return 0;
	}
	return error_say(
		err, EACCES,
		"Error checking TLS connection: Error checking and/or regenerating the certs: There was an error "
		"validating certificates for host \"%s:%d\": %.400s\n"
		"You can attempt to regenerate them using '%s regenerate-certs %s'.\n"
		"Be advised that this will trigger a Docker daemon restart which might stop running containers.",
		machine_ip(m), machine_engine_port(m), err->msg, m->ctx->program, m->name);
}
