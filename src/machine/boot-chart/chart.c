// SPDX-License-Identifier: Apache-2.0
// Drawing a boot; see chart.h.
//
// A row of the chart is a row of the timeline, in the order in which they start: its name at the left, its bar, its seconds
// behind the bar. What is critical is red. The axis ends at twice the time that the engine took, so that a long script of the user
// does not press the boot together; a bar that goes on is cut there.
#include "chart.h"

#include "lib/alloc.h"
#include "svg.h"

#include <string.h>

enum { WIDTH = 1100, LEFT = 170, RIGHT = 90, TOP = 96, ROW = 18, BAR = 12, BOTTOM = 16, THIN = 4 };
enum { TICKS_MAX = 12, NAME_LEN = 25 };

static const char style[] =
	"text{font:12px sans-serif;fill:#222}.title{font-size:18px;font-weight:bold}.dim{fill:#777}"
	".paper{fill:#fff}.grid{stroke:#ddd}.answer{stroke:#c22;stroke-dasharray:4 3}"
	".firmware{fill:#9a9a9a}.kernel{fill:#7a5fa8}.step{fill:#4a88c8}.service{fill:#9ccf9c}"
	".mark{fill:#d9a441}.critical{fill:#d3382e}.failed{fill:#222}.bad{fill:#d3382e;font-weight:bold}";

static const char *const kind_class[] = {
	[BOOT_FIRMWARE] = "firmware", [BOOT_KERNEL] = "kernel", [BOOT_STEP] = "step",
	[BOOT_SERVICE] = "service",   [BOOT_MARK] = "mark",
};

struct axis {
	double start, end; // seconds
	double bottom; // of the plot, in pixels
};

static double place(const struct axis *a, double seconds)
{
	double share = (seconds - a->start) / (a->end - a->start);

	return LEFT + (share > 1 ? 1 : share) * (WIDTH - LEFT - RIGHT);
}

static struct axis make_axis(const struct boot *b)
{
	const struct boot_row *answer = boot_answer(b);
	struct axis a = { .bottom = TOP + (double)b->count * ROW };

	for (size_t i = 0; i < b->count; i++) {
		a.start = b->rows[i].start < a.start ? b->rows[i].start : a.start;
		a.end = b->rows[i].end > a.end ? b->rows[i].end : a.end;
	}
	if (answer && a.end > 2 * answer->end)
		a.end = 2 * answer->end;
	if (a.end - a.start < 0.001)
		a.end = a.start + 0.001;
	return a;
}

// 1, 2 or 5 times a power of ten: the smallest of them that has few enough ticks.
static double tick_step(const struct axis *a)
{
	static const double factors[] = { 2, 2.5, 2 };
	double step = 0.001;

	for (size_t i = 0; (a->end - a->start) / step > TICKS_MAX; i++)
		step *= factors[i % ARRAY_SIZE(factors)];
	return step;
}

static void draw_axis(const struct axis *a, struct buf *ret)
{
	double step = tick_step(a);
	long first = (long)(a->start / step);

	for (long i = first; (double)i * step <= a->end; i++) {
		cleanup_free char *label = xasprintf("%g s", (double)i * step);
		double x = place(a, (double)i * step);

		svg_line(ret, "grid", x, TOP - 6, x, a->bottom);
		svg_text(ret, "dim", "middle", x, TOP - 10, label);
	}
}

static char *describe(const struct boot_row *row)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_printf(&text, "%s: %.3f s", row->name, row->start);
	if (!row->goes_on)
		buf_printf(&text, " to %.3f s", row->end);
	for (size_t i = 0; i < row->after.count; i++)
		buf_printf(&text, "%s%s", i ? ", " : ", after ", row->after.items[i]);
	return buf_steal(&text);
}

static void draw_row(const struct axis *a, const struct boot_row *row, double y, struct buf *ret)
{
	cleanup_free char *title = describe(row);
	cleanup_free char *name = xasprintf("%.*s", NAME_LEN, row->name); // what fits
	cleanup_free char *seconds =
		row->goes_on ? xasprintf("from %.2f s", row->start)
			     : xasprintf("%.2f s%s", row->end - row->start, row->failed ? " FAILED" : "");
	double x = place(a, row->start);
	double end = row->goes_on ? place(a, a->end) : place(a, row->end);
	double width = end - x < 2 ? 2 : end - x;
	const char *class_name = row->failed ? "failed" : row->is_critical ? "critical" : kind_class[row->kind];

	svg_group_open(ret, title);
	svg_text(ret, row->is_critical ? "bad" : "name", "end", LEFT - 8, y + BAR - 1, name);
	if (row->goes_on) {
		svg_rect(ret, kind_class[row->kind], x, y + (BAR - THIN) / 2.0, width, THIN);
		svg_rect(ret, class_name, x, y, 3, BAR);
	} else {
		svg_rect(ret, class_name, x, y, width, BAR);
	}
	svg_text(ret, row->failed ? "bad" : "dim", "start", x + width + 5, y + BAR - 1, seconds);
	svg_group_close(ret);
}

static void draw_legend(struct buf *ret)
{
	static const struct entry {
		const char *class_name, *text;
	} entries[] = {
		{ "critical", "what the engine's answer waited for" },
		{ "kernel", "kernel" },
		{ "step", "step of the boot" },
		{ "service", "service" },
		{ "mark", "wait for a mark" },
		{ "failed", "failed" },
	};
	double x = LEFT;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		svg_rect(ret, entries[i].class_name, x, 54, 10, 10);
		svg_text(ret, "dim", "start", x + 15, 64, entries[i].text);
		x += 40 + 6.2 * (double)strlen(entries[i].text);
	}
}

void boot_chart(const struct boot *b, const char *machine, struct buf *ret)
{
	const struct boot_row *answer = boot_answer(b);
	cleanup_free char *title = xasprintf("Boot of %s", machine);
	cleanup_buf struct buf summary = BUF_INIT;
	struct axis a = make_axis(b);

	boot_summary(b, &summary);
	svg_open(ret, WIDTH, a.bottom + BOTTOM, style);
	svg_rect(ret, "paper", 0, 0, WIDTH, a.bottom + BOTTOM);
	svg_text(ret, "title", "start", 12, 24, title);
	svg_text(ret, "name", "start", 12, 44, buf_str(&summary));
	draw_legend(ret);
	draw_axis(&a, ret);
	for (size_t i = 0; i < b->count; i++)
		draw_row(&a, &b->rows[i], TOP + (double)i * ROW + (ROW - BAR) / 2.0, ret);
	if (answer)
		svg_line(ret, "answer", place(&a, answer->end), TOP - 6, place(&a, answer->end), a.bottom);
	svg_close(ret);
}
