// SPDX-License-Identifier: Apache-2.0
// Waiting for a machine; see wait.h.
#include "wait.h"

#include "console.h"
#include "driver.h"
#include "engine.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/number.h"
#include "net.h"
#include "run.h"
#include "store.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
	READY_TIMEOUT_S = 300, // a guest without hardware acceleration on a busy host
	READY_TIMEOUT_MAX_S = 24 * 3600,
	TRY_FIRST_MS =
		1500, // until the guest has an address, a connection is accepted and then silent: so try anew soon
	TRY_MAX_MS = 10 * 1000,
	TRY_SHARE = 4, // of what was waited so far a try may take this part: a slow guest must not drown in our tries
	PAUSE_MS = 80,
	PLAIN_LINE_MS = 10 * 1000,
};

void wait_begin(struct wait *w, const char *what)
{
	const char *no_color = getenv("NO_COLOR");

	*w = (struct wait){ .what = what, .started = clock_ms(), .terminal = isatty(STDERR_FILENO) };
	w->colour = w->terminal && !(no_color && *no_color);
	w->next_line = w->started + PLAIN_LINE_MS;
	if (!w->terminal)
		log_info("Waiting for %s...", what);
}

void wait_tick(struct wait *w)
{
	static const char *const frames[] = { "|", "/", "-", "\\" };
	long long seconds = (clock_ms() - w->started) / 1000;

	if (w->terminal) {
		fprintf(stderr, "\r%s%s%s Waiting for %s... %lld s ", w->colour ? "\033[36m" : "",
			frames[w->frame++ % 4], w->colour ? "\033[0m" : "", w->what, seconds);
	} else if (clock_ms() >= w->next_line) {
		log_info("Still waiting for %s (%lld s)...", w->what, seconds);
		w->next_line += PLAIN_LINE_MS;
	}
}

void wait_end(struct wait *w)
{
	if (w->terminal)
		fprintf(stderr, "\r%*s\r", (int)strlen(w->what) + 40, "");
}

// When it runs no longer, or nothing runs in it any more, waiting on would be in vain.
static int check_alive(struct machine *m, struct error *err)
{
	enum machine_state state;
	struct error ignored = ERROR_INIT;

	if (console_has_panic(m))
		return error_say(err, ESHUTDOWN, "the kernel of machine \"%s\" panicked", m->name);
	if (m->driver->refuse)
		return 0; // a host of the network that is away may come back
	if (m->driver->state(m, STATE_TIMEOUT_MS, &state, &ignored) < 0 || state != STATE_STOPPED)
		return 0;
	return error_say(err, ESHUTDOWN, "machine \"%s\" stopped by itself while it was starting", m->name);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

// In seconds; $B2D_READY_TIMEOUT for hosts that are slower still.
static int ready_timeout(void)
{
	const char *text = getenv("B2D_READY_TIMEOUT");
	struct error err = ERROR_INIT;
	int seconds = READY_TIMEOUT_S;

	if (text && *text && number_parse_int(text, 1, READY_TIMEOUT_MAX_S, &seconds, &err) < 0)
		log_warn("B2D_READY_TIMEOUT: %s; waiting %d s", err.msg, seconds);
	return seconds;
}

int wait_patiently(int ms)
{
	const char *text = getenv("B2D_READY_TIMEOUT");
	int seconds = 0;

	if (!text || number_parse_int(text, 1, READY_TIMEOUT_MAX_S, &seconds, NULL) < 0 || seconds < READY_TIMEOUT_S)
		return ms;
	int64_t longer = (int64_t)ms * seconds / READY_TIMEOUT_S;
	return longer > INT_MAX ? INT_MAX : (int)longer;
}

static int seconds_since(const struct wait *w)
{
	return (int)((clock_ms() - w->started) / 1000);
}

// How long a try may go without an answer. A guest that is slow works on each for a while after we have given it up.
static int64_t try_max_ms(const struct wait *w)
{
	int64_t share = (clock_ms() - w->started) / TRY_SHARE;

	return share > TRY_MAX_MS ? share : TRY_MAX_MS;
}

static int wait_engine(struct machine *m, struct wait *w, int64_t deadline, struct error *err)
{
	int64_t patience = TRY_FIRST_MS;
	int r;

	for (;;) {
		struct error why = ERROR_INIT;
		if (machine_engine_ping(m, clock_ms() + patience, &why) == 0)
			return 0;
		r = interrupt_check(err);
		if (r == 0)
			r = check_alive(m, err);
		if (r < 0)
			return r;
		if (clock_ms() >= deadline)
			return error_say(
				err, ETIMEDOUT,
				"the engine of machine \"%s\" did not answer within %d s ($B2D_READY_TIMEOUT): %.300s",
				m->name, seconds_since(w), why.msg);
		if (why.code == ETIMEDOUT)
			patience = patience < TRY_MAX_MS ? patience + 500 : try_max_ms(w);
		wait_tick(w);
		clock_sleep_ms(PAUSE_MS);
	}
}

static int wait_ssh(struct machine *m, struct wait *w, int64_t deadline, struct error *err)
{
	while (net_check_banner(machine_ssh_host(m), machine_ssh_port(m), "SSH-",
				earlier(deadline, clock_ms() + try_max_ms(w)), err) < 0) {
		struct error why = ERROR_INIT;
		int r = interrupt_check(&why);
		if (r == 0)
			r = check_alive(m, &why);
		if (r == 0 && clock_ms() >= deadline)
			r = error_say(&why, ETIMEDOUT,
				      "SSH of machine \"%s\" did not answer within %d s ($B2D_READY_TIMEOUT): %.300s",
				      m->name, seconds_since(w), err->msg);
		if (r < 0) {
			*err = why;
			return r;
		}
		wait_tick(w);
		clock_sleep_ms(PAUSE_MS);
	}
	error_clear(err);
	return 0;
}

static int wait_for(struct machine *m, const char *service, bool with_engine, struct error *err)
{
	cleanup_free char *what = xasprintf("%s on \"%s\"", service, m->name);
	int64_t deadline = clock_ms() + (int64_t)ready_timeout() * 1000;
	struct wait w;
	int r = 0;

	wait_begin(&w, what);
	if (with_engine)
		r = wait_engine(m, &w, deadline, err);
	if (r == 0)
		r = wait_ssh(m, &w, deadline, err);
	wait_end(&w);
	if (r < 0 && r != -EINTR)
		console_show(m);
	return r;
}

int machine_wait_ssh(struct machine *m, struct error *err)
{
	return wait_for(m, "SSH", false, err);
}

int machine_wait_ready(struct machine *m, struct error *err)
{
	return wait_for(m, "Docker", true, err);
}
