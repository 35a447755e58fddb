// SPDX-License-Identifier: Apache-2.0
// What the doctor looks at of one machine; see doctor.h.
#include "doctor.h"

#include "../certs.h"
#include "../console.h"
#include "../driver.h"
#include "../engine.h"
#include "../net.h"
#include "../remote.h"
#include "../store.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/number.h"
#include "lib/strv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ENGINE_TIMEOUT_MS = 10 * 1000,
	INSIDE_TIMEOUT_MS = 30 * 1000,
	CLOCK_NOTE_S = 3,
	CLOCK_WRONG_S = 60, // certificates and registries begin to fail
	FULL_NOTE = 80,
	FULL_WRONG = 95, // per cent
};

static void look_at_certificate(const struct machine *m, struct report *r)
{
	struct error why = ERROR_INIT;

	if (certs_check_server(m, 0, &why) <= 0)
		report_line(r, FINDING_WRONG, "certificate", "%s: %s regenerate-certs %s", why.msg, m->ctx->program,
			    m->name);
	else if (certs_check_server(m, CERT_RENEW_DAYS, &why) <= 0)
		report_line(r, FINDING_NOTE, "certificate", "%s: the next start renews it", why.msg);
	else
		report_line(r, FINDING_OK, "certificate", "valid for %s", machine_ip(m));
}

static void look_at_console(const struct machine *m, struct report *r)
{
	if (!m->driver->console_path)
		return;
	if (console_has_panic(m))
		report_line(r, FINDING_WRONG, "console", "the kernel panicked; see %s/console.log, then %s restart %s",
			    m->dir, m->ctx->program, m->name);
	else
		report_line(r, FINDING_OK, "console", "%s/console.log", m->dir);
}

static void look_at_ports(const struct machine *m, struct report *r)
{
	const int ports[] = { machine_ssh_port(m), machine_engine_port(m) };

	if (strcmp(m->driver->name, "qemu") != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i] > 0 && !net_port_is_free(ports[i]))
			report_line(r, FINDING_NOTE, "ports",
				    "port %d of 127.0.0.1 is somebody else's now: the next start takes another",
				    ports[i]);
}

static void look_at_engine(const struct machine *m, struct report *r)
{
	cleanup_free char *version = NULL;
	struct error why = ERROR_INIT;
	int64_t started = clock_ms();

	if (machine_engine_version(m, started + ENGINE_TIMEOUT_MS, &version, &why) < 0)
		report_line(r, FINDING_WRONG, "engine", "%s: %s ssh %s sudo /etc/init.d/docker restart", why.msg,
			    m->ctx->program, m->name);
	else
		report_line(r, FINDING_OK, "engine", "%s, answers in %" PRId64 " ms", version, clock_ms() - started);
}

// --- inside ---

static void look_at_clock(const struct machine *m, const char *seconds, struct report *r)
{
	int64_t there;

	if (number_parse_i64(seconds, 0, INT64_MAX / 2, &there, NULL) < 0)
		return;
	int64_t off = there - (int64_t)time(NULL);
	int64_t distance = off < 0 ? -off : off;
	enum finding finding = distance >= CLOCK_WRONG_S  ? FINDING_WRONG
			       : distance >= CLOCK_NOTE_S ? FINDING_NOTE
							  : FINDING_OK;
	report_line(r, finding, "clock", "%" PRId64 " s %s%s%s", distance, off < 0 ? "behind" : "ahead",
		    finding == FINDING_OK ? "" : ": restart ", finding == FINDING_OK ? "" : m->name);
}

static void look_at_disk(const char *percent, struct report *r)
{
	cleanup_free char *number = xstrndup(percent, strcspn(percent, "%"));
	int used;

	if (number_parse_int(number, 0, 100, &used, NULL) < 0)
		return;
	enum finding finding = used >= FULL_WRONG ? FINDING_WRONG : used >= FULL_NOTE ? FINDING_NOTE : FINDING_OK;
	report_line(r, finding, "its disk", "%d %% used%s", used,
		    finding == FINDING_OK ? "" : ": docker system prune makes room");
}

static void look_at_log(const struct strv *lines, size_t first, struct report *r)
{
	if (first >= lines->count)
		report_line(r, FINDING_OK, "engine log", "no errors since the engine's start");
	for (size_t i = first; i < lines->count; i++)
		report_line(r, FINDING_NOTE, "engine log", "%.300s", lines->items[i]);
}

// One command for all, since each costs a connection. The log's last start is what counts; a client that did not wait for the
// answer is no fault.
static void look_inside(const struct machine *m, struct report *r)
{
	static const char command[] =
		"date +%s; df -P /var/lib/docker | awk 'END { print $5 }'; "
		"sudo awk '/msg=\"Starting up\"/ { n = 0 } /level=(error|fatal)/ && !/context canceled/ { e[n++ % 3] = "
		"$0 } "
		"END { for (i = 0; i < n && i < 3; i++) print e[i] }' /var/lib/boot2docker/docker.log";
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	struct error why = ERROR_INIT;
	struct remote_run run = { .command = command, .timeout_ms = INSIDE_TIMEOUT_MS, .output = &text };

	if (remote_run(m, &run, &why) < 0) {
		report_line(r, FINDING_WRONG, "SSH", "%s: look at the console", why.msg);
		return;
	}
	report_line(r, FINDING_OK, "SSH", "%s@%s, port %d", machine_ssh_user(m), machine_ssh_host(m),
		    machine_ssh_port(m));
	strv_split(&lines, buf_str(&text), "\n");
	if (lines.count < 2)
		return;
	look_at_clock(m, lines.items[0], r);
	look_at_disk(lines.items[1], r);
	look_at_log(&lines, 2, r);
}

void doctor_machine(struct machine *m, struct report *r)
{
	enum machine_state state;
	struct error why = ERROR_INIT;

	report_title(r, "Machine \"%s\"", m->name);
	if (machine_get_state(m, &state, &why) < 0) {
		report_line(r, FINDING_WRONG, "state", "%s", why.msg);
		return;
	}
	bool bad = state == STATE_ERROR || state == STATE_TIMEOUT;
	report_line(r, bad ? FINDING_WRONG : FINDING_OK, "state", "%s%s%s%s", machine_state_name(state),
		    bad ? ": " : "", bad ? m->ctx->program : "", bad ? " kill, then start" : "");
	look_at_certificate(m, r);
	look_at_console(m, r);
	if (state == STATE_STOPPED)
		look_at_ports(m, r);
	if (state != STATE_RUNNING)
		return;
	cleanup_free char *trouble = machine_trouble(m);
	if (trouble)
		report_line(r, FINDING_WRONG, "shares", "%s", trouble);
	look_at_engine(m, r);
	if (m->driver->start) // else nobody of ours is there
		look_inside(m, r);
}
