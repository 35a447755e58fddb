// SPDX-License-Identifier: Apache-2.0
// Adds up the tree by origin.

#include "image/report.h"

#include "image/layer.h"
#include "lib/alloc.h"

#include <string.h>

struct row {
	char *origin;
	uint64_t raw;
	double packed;
	size_t files;
};

struct table {
	const struct report_spec *spec;
	uint64_t *layer_raw;
	struct row *rows;
	size_t count;
};

static struct row *row_of(struct table *t, const char *origin)
{
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->rows[i].origin, origin) == 0)
			return &t->rows[i];
	}
	t->rows = xreallocarray(t->rows, t->count + 1, sizeof(*t->rows));
	t->rows[t->count] = (struct row){ .origin = xstrdup(origin) };
	return &t->rows[t->count++];
}

static int add_node(struct node *node, void *arg, struct error *err)
{
	struct table *t = arg;
	struct row *row;
	uint64_t raw;

	(void)err;
	if (node->type != NODE_FILE)
		return 0;
	row = row_of(t, node->origin);
	raw = t->layer_raw[node->layer];
	row->raw += node->blob->size;
	row->files++;
	if (raw > 0)
		row->packed += (double)node->blob->size * (double)t->spec->layer_sizes[node->layer] / (double)raw;
	return 0;
}

static int largest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->raw != y->raw)
		return x->raw < y->raw ? 1 : -1;
	return strcmp(x->origin, y->origin);
}

static void print_line(struct buf *ret, const char *name, uint64_t raw, double packed, const char *note)
{
	buf_printf(ret, "%-34s %12llu %12.0f  %s\n", name, (unsigned long long)raw, packed, note);
}

static void print_totals(const struct report_spec *spec, const uint64_t *layer_raw, struct buf *ret)
{
	cleanup_free char *modules = xasprintf("%zu modules in the layers", spec->module_count);

	for (size_t i = 0; i < spec->manifest->layer_count; i++)
		print_line(ret, spec->manifest->layers[i].file, layer_raw[i], (double)spec->layer_sizes[i],
			   spec->manifest->layers[i].is_extension ? "extension" : "layer");
	print_line(ret, "vmlinuz", spec->kernel_size, (double)spec->kernel_size, modules);
	print_line(ret, "initrd.img", spec->initrd_size, (double)spec->initrd_size, "layers, PID 1, early modules");
	print_line(ret, "vmlinuz + initrd.img", spec->kernel_size + spec->initrd_size,
		   (double)(spec->kernel_size + spec->initrd_size), "");
	if (spec->iso_size > 0)
		print_line(ret, "boot2docker.iso", spec->iso_size, (double)spec->iso_size, "");
}

void report_print(const struct report_spec *spec, struct buf *ret)
{
	struct table t = { .spec = spec, .layer_raw = xcalloc(spec->manifest->layer_count, sizeof(uint64_t)) };

	for (size_t i = 0; i < spec->manifest->layer_count; i++)
		t.layer_raw[i] = layer_raw_size(spec->root, (int)i);
	if (tree_walk(spec->root, add_node, &t, NULL) == 0 && t.count > 0)
		qsort(t.rows, t.count, sizeof(*t.rows), largest_first);
	buf_printf(ret, "%-34s %12s %12s\n", "from", "bytes", "packed");
	for (size_t i = 0; i < t.count; i++) {
		cleanup_free char *note = xasprintf("%zu file%s", t.rows[i].files, t.rows[i].files == 1 ? "" : "s");

		print_line(ret, t.rows[i].origin, t.rows[i].raw, t.rows[i].packed, note);
		free(t.rows[i].origin);
	}
	buf_putc(ret, '\n');
	print_totals(spec, t.layer_raw, ret);
	free(t.rows);
	free(t.layer_raw);
}
