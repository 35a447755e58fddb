// SPDX-License-Identifier: Apache-2.0
// The boot timeline, written by PID 1 and its steps and printed by `boot-timeline`.
#include "timeline.h"

#include "bootlog.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/number.h"
#include "lib/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define TIMELINE_FILE GUEST_RUN "/timeline"

enum { TIMELINE_MAX = 256 << 10 };

static const char *const kind_names[] = { "kernel", "step", "service", "mark" };

// One line, tab separated: kind, name, start, end, result, and what was waited for.
void timeline_add(const struct guest *g, const struct timeline_row *row)
{
	cleanup_free char *path = guest_path(g, TIMELINE_FILE);
	cleanup_free char *line =
		xasprintf("%s\t%s\t%" PRId64 "\t%" PRId64 "\t%s\t%s\n", kind_names[row->kind], row->name, row->start_us,
			  row->end_us, row->failed ? "failed" : "ok", row->after ? row->after : "");
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct stat st;

	// A service that crashes again and again adds rows as long as the system runs.
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < TIMELINE_MAX)
		(void)!write(fd, line, strlen(line));
}

void timeline_mark(const struct guest *g, const char *name, const char *after)
{
	timeline_add(g, &(struct timeline_row){ .kind = TIMELINE_MARK,
						.name = name,
						.after = after,
						.start_us = bootlog_now_us(),
						.end_us = TIMELINE_NO_END });
}

struct row {
	const char *kind, *name, *result, *after;
	int64_t start, end;
};

static bool parse_row(const struct strv *fields, struct row *ret)
{
	if (fields->count < 5)
		return false;
	*ret = (struct row){ .kind = fields->items[0],
			     .name = fields->items[1],
			     .result = fields->items[4],
			     .after = fields->count > 5 ? fields->items[5] : "" };
	return number_parse_i64(fields->items[2], 0, INT64_MAX, &ret->start, NULL) == 0 &&
	       number_parse_i64(fields->items[3], -1, INT64_MAX, &ret->end, NULL) == 0;
}

static void print_text(const struct row *row, size_t index)
{
	if (index == 0)
		printf("%9s %9s %9s  %-8s %s\n", "START", "END", "SECONDS", "KIND", "NAME");
	if (row->end < 0)
		printf("%9.3f %9s %9s", (double)row->start / 1e6, "-", "-");
	else
		printf("%9.3f %9.3f %9.3f", (double)row->start / 1e6, (double)row->end / 1e6,
		       (double)(row->end - row->start) / 1e6);
	printf("  %-8s %s%s\n", row->kind, row->name, strcmp(row->result, "ok") == 0 ? "" : "  FAILED");
}

static void print_names(const char *names)
{
	cleanup_strv struct strv list = STRV_INIT;

	strv_split(&list, names, " ");
	for (size_t i = 0; i < list.count; i++)
		printf("%s\"%s\"", i ? ", " : "", list.items[i]);
}

static void print_json(const struct row *row, size_t index)
{
	printf("%s\n  {\"kind\": \"%s\", \"name\": \"%s\", \"start\": %.6f, ", index ? "," : "[", row->kind, row->name,
	       (double)row->start / 1e6);
	if (row->end < 0)
		printf("\"end\": null, ");
	else
		printf("\"end\": %.6f, ", (double)row->end / 1e6);
	printf("\"ok\": %s, \"after\": [", strcmp(row->result, "ok") == 0 ? "true" : "false");
	print_names(row->after);
	printf("]}");
}

int timeline_main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	size_t printed = 0;

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: boot-timeline [--json]\n"
				"Prints what the boot did, in seconds since the kernel started.\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : 1;
	}
	if (file_read(TIMELINE_FILE, 2 * TIMELINE_MAX, &text, &err) < 0) {
		fprintf(stderr, "boot-timeline: %s; is this a booted Boot2Docker?\n", err.msg);
		return 1;
	}
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		cleanup_strv struct strv fields = STRV_INIT;
		struct row row;

		strv_split(&fields, lines.items[i], "\t");
		if (parse_row(&fields, &row))
			(json ? print_json : print_text)(&row, printed++);
	}
	if (json)
		printf("%s\n]\n", printed ? "" : "[");
	return 0;
}
