// SPDX-License-Identifier: Apache-2.0
// `boot-chart`: a picture of a machine's last boot, as SVG.
//
// The guest tells its own part, in seconds since its kernel started. When QEMU was started before that is told by the host's
// clock: the guest says how long it is up. Both clocks run apart with the time, so that is left out an hour later; and a guest
// that has rebooted by itself has the whole of its earlier life before its kernel, which is no firmware's.
#include "commands.h"

#include "../boot-chart/chart.h"
#include "../driver.h"
#include "../each.h"
#include "../remote.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/number.h"

#include <errno.h>
#include <string.h>

enum { TIMEOUT_MS = 60 * 1000 };
static const double CLOCKS_AGREE_S = 3600, FIRMWARE_MAX_S = 60;

struct options {
	char *output;
};

static const struct option_row rows[] = {
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), .argument = "FILE",
	  .help = "Where to write it; \"-\" is stdout (default: boot-NAME.svg in this folder)" },
	{ 0 },
};
static const struct option_row *const tables[] = { rows, NULL };

// The last line is the guest's /proc/uptime, which is cut off. -1: it is none.
static double take_uptime(struct buf *text)
{
	double seconds;

	buf_trim_end(text);
	char *newline = text->len ? strrchr(text->data, '\n') : NULL;
	if (!newline)
		return -1;
	cleanup_free char *word = xstrndup(newline + 1, strcspn(newline + 1, " "));
	text->len = (size_t)(newline - text->data);
	*newline = '\0';
	return number_parse_double(word, &seconds, NULL) == 0 ? seconds : -1;
}

// Seconds from the hypervisor's start to the kernel's; 0: not known.
static double firmware_seconds(const struct machine *m, double guest_uptime)
{
	double uptime = m->driver->uptime ? m->driver->uptime(m) : -1;
	double firmware = uptime - guest_uptime;

	return guest_uptime < 0 || uptime > CLOCKS_AGREE_S || firmware < 0 || firmware > FIRMWARE_MAX_S ? 0 : firmware;
}

static int read_boot(const struct machine *m, struct boot *ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct remote_run run = { .command = "boot-timeline --json && cat /proc/uptime",
				  .timeout_ms = TIMEOUT_MS,
				  .output = &text };
	int r = remote_run(m, &run, err);

	if (r < 0)
		return r;
	double firmware = firmware_seconds(m, take_uptime(&text));
	r = boot_read(buf_str(&text), text.len, firmware, ret, err);
	return r < 0 ? error_wrap(err, "machine \"%s\"", m->name) : 0;
}

static int write_chart(const struct boot *b, const struct machine *m, const char *output, struct error *err)
{
	cleanup_free char *path = output && *output ? xstrdup(output) : xasprintf("boot-%s.svg", m->name);
	cleanup_buf struct buf summary = BUF_INIT;
	cleanup_buf struct buf svg = BUF_INIT;

	boot_chart(b, m->name, &svg);
	if (strcmp(path, "-") == 0) {
		fputs(buf_str(&svg), stdout);
		return 0;
	}
	int r = file_replace_text(path, buf_str(&svg), 0644, err);
	if (r < 0)
		return r;
	boot_summary(b, &summary);
	printf("%s: %s\n", path, buf_str(&summary));
	return 0;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct options *options = arg;
	cleanup_machine struct machine *m = NULL;
	cleanup_boot struct boot b = { .rows = NULL };
	int r = machine_named(ctx, operands, &m, err);

	if (r == 0)
		r = machine_require_driver(m, err);
	if (r == 0)
		r = machine_require_running(m, err);
	if (r == 0)
		r = read_boot(m, &b, err);
	return r < 0 ? r : write_chart(&b, m, options->output, err);
}

const struct command command_boot_chart = {
	.name = "boot-chart",
	.arguments = "[NAME]",
	.summary = "Draw the last boot of a machine as SVG: what took how long, and what the engine waited for",
	.options = tables,
	.options_size = sizeof(struct options),
	.run = run,
};
