// SPDX-License-Identifier: Apache-2.0
// The rows of a boot, out of the guest's JSON; see timeline.h.
#include "timeline.h"

#include "lib/alloc.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

enum { JSON_MAX = 4 << 20, ROWS_MAX = 500, AFTER_MAX = 100, SUMMARY_ROWS = 4 };
static const double SECONDS_MAX = 1e7;
static const char ANSWER[] = "engine-answers";

static const char *const kind_names[] = {
	[BOOT_FIRMWARE] = "firmware", [BOOT_KERNEL] = "kernel", [BOOT_STEP] = "step",
	[BOOT_SERVICE] = "service",   [BOOT_MARK] = "mark",
};

static void row_done(struct boot_row *row)
{
	free(row->name);
	strv_done(&row->after);
}

void boot_done(struct boot *b)
{
	for (size_t i = 0; i < b->count; i++)
		row_done(&b->rows[i]);
	free(b->rows);
	*b = (struct boot){ .rows = NULL };
}

static struct boot_row *find_name(const struct boot *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(b->rows[i].name, name) == 0)
			return &b->rows[i];
	return NULL;
}

static struct boot_row *find_kind(const struct boot *b, enum boot_kind kind)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->rows[i].kind == kind)
			return &b->rows[i];
	return NULL;
}

const struct boot_row *boot_answer(const struct boot *b)
{
	return find_name(b, ANSWER);
}

// --- reading ---

static bool read_kind(const json_t *value, enum boot_kind *ret)
{
	const char *name = json_string_value(value);

	for (size_t i = BOOT_KERNEL; name && i < ARRAY_SIZE(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0) {
			*ret = (enum boot_kind)i;
			return true;
		}
	return false;
}

static bool read_seconds(const json_t *value, double min, double *ret)
{
	*ret = json_number_value(value);
	return json_is_number(value) && *ret >= min && *ret <= SECONDS_MAX;
}

// A name that is harmless on a terminal, whatever the guest calls its things. The caller frees.
static char *plain_name(const char *name)
{
	char *plain = xstrdup(name);

	for (char *c = plain; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return plain;
}

static int read_row(const json_t *value, size_t index, struct boot_row *ret, struct error *err)
{
	const char *name = json_str_at(value, "name", "");
	const json_t *end = json_object_get(value, "end");

	if (!*name || !read_kind(json_object_get(value, "kind"), &ret->kind))
		return error_say(err, EBADMSG, "row %zu of the boot's timeline has no name, or is of no known kind",
				 index);
	if (!read_seconds(json_object_get(value, "start"), 0, &ret->start) ||
	    (!json_is_null(end) && !read_seconds(end, ret->start, &ret->end)))
		return error_say(err, EBADMSG, "row %zu of the boot's timeline has times that cannot be", index);
	if (json_is_null(end))
		ret->end = ret->start;
	ret->goes_on = json_is_null(end) && ret->kind == BOOT_SERVICE;
	ret->failed = !json_bool_at(value, "ok", true);
	ret->name = plain_name(name);
	const json_t *after = json_object_get(value, "after"); // an image older than that has none
	for (size_t i = 0; i < json_array_size(after) && i < AFTER_MAX; i++)
		strv_push(&ret->after, json_str_at(json_array_get(after, i), "", ""));
	return 0;
}

static struct boot_row *add_row(struct boot *b)
{
	b->rows = xreallocarray(b->rows, b->count + 1, sizeof(*b->rows));
	b->rows[b->count] = (struct boot_row){ .kind = BOOT_STEP };
	return &b->rows[b->count++];
}

static int read_rows(const json_t *root, struct boot *ret, struct error *err)
{
	if (!json_array_size(root))
		return error_say(err, EBADMSG, "the boot's timeline is empty");
	for (size_t i = 0; i < json_array_size(root); i++) {
		const json_t *value = json_array_get(root, i);
		int r;

		if (find_name(ret, json_str_at(value, "name", "")))
			continue;
		if (ret->count == ROWS_MAX)
			return error_say(err, EBADMSG, "the boot's timeline has more than %d rows", ROWS_MAX);
		r = read_row(value, i, add_row(ret), err);
		if (r < 0) {
			row_done(&ret->rows[--ret->count]);
			return r;
		}
	}
	return 0;
}

// --- what waited for what ---

// What the row waited for longest; before everything else came the kernel. NULL: nothing is known.
static struct boot_row *waited_for(const struct boot *b, const struct boot_row *row)
{
	struct boot_row *last = NULL;

	for (size_t i = 0; i < row->after.count; i++) {
		struct boot_row *one = find_name(b, row->after.items[i]);
		if (one && (!last || one->end > last->end))
			last = one;
	}
	if (!last && row->kind != BOOT_FIRMWARE)
		last = find_kind(b, row->kind == BOOT_KERNEL ? BOOT_FIRMWARE : BOOT_KERNEL);
	return last;
}

static void stretch_marks(const struct boot *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct boot_row *row = &b->rows[i];
		const struct boot_row *before = row->kind == BOOT_MARK && row->after.count ? waited_for(b, row) : NULL;

		if (before && before->end < row->end)
			row->start = before->end;
	}
}

// A row that was met before ends the chain: the guest may tell of a circle.
static void mark_chain(const struct boot *b)
{
	struct boot_row *row = find_name(b, ANSWER);

	while (row && !row->is_critical) {
		row->is_critical = true;
		row = waited_for(b, row);
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct boot_row *one = a, *other = b;

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->end < other->end ? -1 : one->end > other->end;
}

int boot_read(const char *json, size_t len, double firmware, struct boot *ret, struct error *err)
{
	cleanup_boot struct boot b = { .rows = NULL };
	cleanup_json json_t *root = NULL;
	int r;

	if (len > JSON_MAX)
		return error_say(err, EBADMSG, "the boot's timeline is too long");
	r = json_read_text(json, len, "the boot's timeline", &root, err);
	if (r < 0)
		return r;
	if (firmware > 0)
		*add_row(&b) = (struct boot_row){ .kind = BOOT_FIRMWARE,
						  .name = xstrdup("QEMU, firmware"),
						  .start = -firmware };
	r = read_rows(root, &b, err);
	if (r < 0)
		return r;
	stretch_marks(&b);
	qsort(b.rows, b.count, sizeof(*b.rows), compare_rows);
	mark_chain(&b);
	*ret = b;
	b = (struct boot){ .rows = NULL };
	return 0;
}

// --- in words ---

static const struct boot_row *longest_below(const struct boot *b, const struct boot_row *above)
{
	const struct boot_row *found = NULL;

	for (size_t i = 0; i < b->count; i++) {
		const struct boot_row *row = &b->rows[i];
		double length = row->end - row->start;

		if (!row->is_critical || (above && length >= above->end - above->start))
			continue;
		if (!found || length > found->end - found->start)
			found = row;
	}
	return found;
}

void boot_summary(const struct boot *b, struct buf *ret)
{
	const struct boot_row *answer = boot_answer(b);
	const struct boot_row *row = NULL;

	if (!answer) {
		buf_puts(ret, "the engine has not answered");
		return;
	}
	buf_printf(ret, "the engine answered after %.2f s",
		   answer->end - (b->rows[0].start < 0 ? b->rows[0].start : 0));
	for (int i = 0; i < SUMMARY_ROWS && (row = longest_below(b, row)); i++)
		buf_printf(ret, "%s%s %.2f s", i ? ", " : "; of that ", row->name, row->end - row->start);
}
