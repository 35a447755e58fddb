// SPDX-License-Identifier: Apache-2.0
// How far a transfer is; see progress.h.
#include "progress.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 30, REDRAW_MS = 100, MEGABYTE = 1 << 20 };

void progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .terminal = isatty(STDERR_FILENO), .started = clock_ms() };
}

static double megabytes(long long bytes)
{
	return (double)bytes / MEGABYTE;
}

static void draw(struct progress *p, long long done, long long total)
{
	static const char full[] = "##############################", empty[] = "..............................";
	int64_t now = clock_ms();
	double rate = now > p->started ? megabytes(done) * 1000 / (double)(now - p->started) : 0;
	int filled = total > 0 ? (int)(done * BAR_WIDTH / total) : 0;

	if (p->shown && now < p->next && done != total)
		return;
	p->shown = true;
	p->next = now + REDRAW_MS;
	fprintf(stderr, "\r%.40s [%.*s%.*s] %.1f", p->what, filled, full, BAR_WIDTH - filled, empty, megabytes(done));
	if (total > 0)
		fprintf(stderr, "/%.1f", megabytes(total));
	fprintf(stderr, " MB, %.1f MB/s", rate);
	if (total > 0 && rate > 0)
		fprintf(stderr, ", %.0f s left", megabytes(total - done) / rate);
	fputs("   ", stderr);
}

static void tell(struct progress *p, long long done, long long total)
{
	int tenths = total > 0 ? (int)(done * 10 / total) : 0;

	if (!p->shown)
		log_info("Downloading %s...", p->what);
	p->shown = true;
	if (tenths <= p->tenths)
		return;
	p->tenths = tenths;
	log_info("%s: %d0 %% of %.1f MB", p->what, tenths, megabytes(total));
}

void progress_show(struct progress *p, long long done, long long total)
{
	if (p->terminal)
		draw(p, done, total);
	else
		tell(p, done, total);
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->shown)
		fputc('\n', stderr);
}
