// SPDX-License-Identifier: Apache-2.0
// Reads profiles, slices and module lists: a table of statements for each, with the number of words they take.

#include "image/manifest.h"

#include "image/words.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define ANY SIZE_MAX

// A slice or a list of modules that the profile names, and the layer that it goes to.
struct placed_name {
	char *name;
	int layer;
};

struct placed_names {
	struct placed_name *items;
	size_t count;
};

struct parser {
	struct manifest *m;
	const char *slice; // name of the slice being read
	const char *suite; // of Debian, whose own slices go before; or NULL
	char *package; // the current one
	int layer; // the current one
	struct placed_names slices, module_lists; // named by the profile
};

struct statement {
	const char *name;
	size_t min, max; // words after the name
	int (*take)(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err);
	enum rule_kind rule;
	size_t field; // offset in struct manifest or struct parser
	const char *usage;
};

static int run_statement(const struct statement *table, size_t count, struct parser *p, const struct words_line *line,
			 struct error *err)
{
	const char *name = line->words.items[0];
	size_t given = line->words.count - 1;

	for (size_t i = 0; i < count; i++) {
		const struct statement *s = &table[i];

		if (strcmp(s->name, name) != 0)
			continue;
		if (given < s->min || given > s->max)
			return error_say(err, EINVAL, "write it as: %s %s", s->name, s->usage);
		return s->take(p, line, s, err);
	}
	return error_say(err, EINVAL, "unknown statement \"%s\"; see doc/image-builder.md", name);
}

static void note_package(struct manifest *m, const char *name, bool is_pool, const struct words_line *line)
{
	struct package_use *use;

	for (size_t i = 0; i < m->package_count; i++) {
		if (strcmp(m->packages[i].name, name) == 0) {
			m->packages[i].is_pool |= is_pool;
			m->packages[i].is_named |= !is_pool;
			return;
		}
	}
	m->packages = xreallocarray(m->packages, m->package_count + 1, sizeof(*m->packages));
	use = &m->packages[m->package_count++];
	use->name = xstrdup(name);
	use->where = xasprintf("%s:%d", line->file, line->number);
	use->is_pool = is_pool;
	use->is_named = !is_pool;
}

static int check_package_name(const char *name, struct error *err)
{
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == strlen(name) && name[0] != '-' && name[0] != '.')
		return 0;
	return error_say(err, EINVAL, "\"%s\" is not the name of a Debian package", name);
}

static int take_package(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	(void)s;
	if (check_package_name(line->words.items[1], err) < 0)
		return -EINVAL;
	note_package(p->m, line->words.items[1], false, line);
	free(p->package);
	p->package = xstrdup(line->words.items[1]);
	return 0;
}

static int take_libraries(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	(void)s;
	for (size_t i = 1; i < line->words.count; i++) {
		if (check_package_name(line->words.items[i], err) < 0)
			return -EINVAL;
		note_package(p->m, line->words.items[i], true, line);
	}
	return 0;
}

static int find_layer(const struct manifest *m, const char *name, int *ret, struct error *err)
{
	if (strcmp(name, "initrd") == 0) {
		*ret = LAYER_INITRD;
		return 0;
	}
	for (size_t i = 0; i < m->layer_count; i++) {
		if (strcmp(m->layers[i].name, name) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	return error_say(err, EINVAL, "the profile has no layer \"%s\"", name);
}

static int take_layer(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	(void)s;
	return find_layer(p->m, line->words.items[1], &p->layer, err);
}

static int take_rule(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	bool of_package = s->rule == RULE_FILE || s->rule == RULE_ALL || s->rule == RULE_CONCAT;
	struct manifest *m = p->m;
	struct rule *rule;

	if (of_package && !p->package)
		return error_say(err, EINVAL, "\"%s\" needs a \"package NAME\" above it", s->name);
	m->rules = xreallocarray(m->rules, m->rule_count + 1, sizeof(*m->rules));
	rule = &m->rules[m->rule_count++];
	*rule = (struct rule){ .kind = s->rule, .layer = p->layer };
	for (size_t i = 1; i < line->words.count; i++)
		strv_push(&rule->args, line->words.items[i]);
	rule->package = of_package ? xstrdup(p->package) : NULL;
	rule->slice = xstrdup(p->slice);
	rule->where = xasprintf("%s:%d", line->file, line->number);
	return 0;
}

static const struct statement slice_statements[] = {
	{ "package", 1, 1, take_package, .usage = "NAME" },
	{ "libraries", 1, ANY, take_libraries, .usage = "PACKAGE…" },
	{ "layer", 1, 1, take_layer, .usage = "NAME (a layer of the profile, or initrd)" },
	{ "file", 1, ANY, take_rule, RULE_FILE, .usage = "GLOB…" },
	{ "all", 0, 0, take_rule, RULE_ALL, .usage = "" },
	{ "concat", 2, 2, take_rule, RULE_CONCAT, .usage = "PATH GLOB" },
	{ "link", 2, 2, take_rule, RULE_LINK, .usage = "PATH TARGET" },
	{ "links", 3, ANY, take_rule, RULE_LINKS, .usage = "TARGET FOLDER NAME…" },
	{ "dir", 2, 4, take_rule, RULE_DIR, .usage = "PATH MODE [USER GROUP]" },
	{ "mode", 2, 4, take_rule, RULE_MODE, .usage = "PATH MODE [USER GROUP]" },
	{ "overlay", 1, 1, take_rule, RULE_OVERLAY, .usage = "FOLDER" },
	{ "users", 0, 0, take_rule, RULE_USERS, .usage = "" },
	{ "program", 2, 3, take_rule, RULE_PROGRAM, .usage = "NAME PATH [MODE]" },
};

static int slice_line(const struct words_line *line, void *arg, struct error *err)
{
	return run_statement(slice_statements, ARRAY_SIZE(slice_statements), arg, line, err);
}

static int take_text(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	char **field = (char **)((char *)p->m + s->field);

	if (*field)
		return error_say(err, EINVAL, "\"%s\" is given twice", s->name);
	*field = xstrdup(line->words.items[1]);
	for (size_t i = 2; i < line->words.count; i++) {
		char *longer = xasprintf("%s %s", *field, line->words.items[i]);

		free(*field);
		*field = longer;
	}
	return 0;
}

static int place_names(struct placed_names *list, int layer, const struct words_line *line, size_t first,
		       struct error *err)
{
	for (size_t i = first; i < line->words.count; i++) {
		if (!path_is_component(line->words.items[i]))
			return error_say(err, EINVAL, "\"%s\" is not a plain name", line->words.items[i]);
		list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
		list->items[list->count++] =
			(struct placed_name){ .name = xstrdup(line->words.items[i]), .layer = layer };
	}
	return 0;
}

static int take_slices(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	(void)s;
	return place_names(&p->slices, 0, line, 1, err);
}

static int take_placed(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	int layer, r = find_layer(p->m, line->words.items[1], &layer, err);

	return r < 0 ? r : place_names((struct placed_names *)((char *)p + s->field), layer, line, 2, err);
}

static int take_boot_packages(struct parser *p, const struct words_line *line, const struct statement *s,
			      struct error *err)
{
	(void)s;
	for (size_t i = 1; i < line->words.count; i++) {
		if (check_package_name(line->words.items[i], err) < 0)
			return -EINVAL;
		strv_push(&p->m->boot_packages, line->words.items[i]);
	}
	return 0;
}

// The kernel unpacks an initrd by what its first bytes say; these are the packers that it knows and that we have a use for.
static int take_initrd_pack(struct parser *p, const struct words_line *line, const struct statement *s,
			    struct error *err)
{
	const char *program = line->words.items[1];

	(void)s;
	if (strcmp(program, "xz") != 0 && strcmp(program, "zstd") != 0)
		return error_say(err, EINVAL, "initrd-pack knows xz and zstd, not \"%s\"", program);
	for (size_t i = 1; i < line->words.count; i++)
		strv_push(&p->m->initrd_pack, line->words.items[i]);
	return 0;
}

static int add_layer(struct manifest *m, const struct words_line *line, bool is_extension, struct error *err)
{
	struct layer *layer;

	if (!path_is_component(line->words.items[2]))
		return error_say(err, EINVAL, "\"%s\" is not a plain name", line->words.items[2]);
	if (!is_extension && m->layer_count > 0 && m->layers[m->layer_count - 1].is_extension)
		return error_say(err, EINVAL, "write the layers before the extensions");
	m->layers = xreallocarray(m->layers, m->layer_count + 1, sizeof(*m->layers));
	layer = &m->layers[m->layer_count++];
	*layer = (struct layer){ .name = xstrdup(line->words.items[1]),
				 .file = xstrdup(line->words.items[2]),
				 .is_extension = is_extension };
	for (size_t i = 3; i < line->words.count; i++)
		strv_push(&layer->options, line->words.items[i]);
	return 0;
}

static int take_layer_row(struct parser *p, const struct words_line *line, const struct statement *s, struct error *err)
{
	(void)s;
	return add_layer(p->m, line, false, err);
}

static int take_extension_row(struct parser *p, const struct words_line *line, const struct statement *s,
			      struct error *err)
{
	(void)s;
	return add_layer(p->m, line, true, err);
}

static const struct statement profile_statements[] = {
	{ "kernel", 1, 1, take_text, .field = offsetof(struct manifest, kernel), .usage = "PACKAGE" },
	{ "kernel-source", 1, 1, take_text, .field = offsetof(struct manifest, kernel_source), .usage = "PACKAGE" },
	{ "kernel-config", 1, 1, take_text, .field = offsetof(struct manifest, kernel_config), .usage = "DIR" },
	{ "version-from", 1, 1, take_text, .field = offsetof(struct manifest, version_package), .usage = "PACKAGE" },
	{ "volume", 1, 1, take_text, .field = offsetof(struct manifest, volume), .usage = "NAME" },
	{ "cmdline", 1, ANY, take_text, .field = offsetof(struct manifest, cmdline), .usage = "WORD…" },
	{ "layer", 2, ANY, take_layer_row, .usage = "NAME FILE MKSQUASHFS-OPTION…" },
	{ "extension", 2, ANY, take_extension_row, .usage = "NAME FILE MKSQUASHFS-OPTION…" },
	{ "initrd-pack", 1, ANY, take_initrd_pack, .usage = "PROGRAM OPTION…" },
	{ "slices", 1, ANY, take_slices, .usage = "NAME…" },
	{ "slices-in", 2, ANY, take_placed, .field = offsetof(struct parser, slices), .usage = "LAYER NAME…" },
	{ "modules", 2, ANY, take_placed, .field = offsetof(struct parser, module_lists), .usage = "LAYER NAME…" },
	{ "boot-packages", 1, ANY, take_boot_packages, .usage = "PACKAGE…" },
};

static int profile_line(const struct words_line *line, void *arg, struct error *err)
{
	return run_statement(profile_statements, ARRAY_SIZE(profile_statements), arg, line, err);
}

struct module_sink {
	struct manifest *m;
	int layer;
};

static int module_line(const struct words_line *line, void *arg, struct error *err)
{
	const struct module_sink *sink = arg;
	struct manifest *m = sink->m;

	(void)err;
	for (size_t i = 0; i < line->words.count; i++) {
		m->modules = xreallocarray(m->modules, m->module_count + 1, sizeof(*m->modules));
		m->modules[m->module_count++] = (struct module_use){
			.name = xstrdup(line->words.items[i]),
			.where = xasprintf("%s:%d", line->file, line->number),
			.layer = sink->layer,
		};
	}
	return 0;
}

static int read_module_lists(const struct parser *p, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->module_lists.count; i++) {
		const struct placed_name *list = &p->module_lists.items[i];
		cleanup_free char *path = xasprintf("%s/modules/%s.list", p->m->directory, list->name);
		struct module_sink sink = { p->m, list->layer };

		r = words_each_line(path, module_line, &sink, err);
	}
	return r;
}

// A suite of Debian that names or places something differently has a slice of its own, which is read instead.
static char *slice_path(const struct parser *p, const char *name)
{
	char *own = p->suite ? xasprintf("%s/slices/%s/%s.slice", p->m->directory, p->suite, name) : NULL;

	if (own && file_exists(own))
		return own;
	free(own);
	return xasprintf("%s/slices/%s.slice", p->m->directory, name);
}

static int read_slices(struct parser *p, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->slices.count; i++) {
		const struct placed_name *slice = &p->slices.items[i];
		cleanup_free char *path = slice_path(p, slice->name);

		p->slice = slice->name;
		p->layer = slice->layer;
		free(p->package);
		p->package = NULL;
		r = words_each_line(path, slice_line, p, err);
	}
	return r;
}

static int check_profile(const struct manifest *m, const char *path, struct error *err)
{
	if (!m->kernel == !m->kernel_source)
		return error_say(err, EINVAL, "%s: needs either \"kernel PACKAGE\" or \"kernel-source PACKAGE\"", path);
	if (!m->kernel_source != !m->kernel_config)
		return error_say(err, EINVAL, "%s: \"kernel-source PACKAGE\" and \"kernel-config DIR\" go together",
				 path);
	if (!m->version_package)
		return error_say(err, EINVAL, "%s: has no line \"version-from PACKAGE\"", path);
	if (m->layer_count == 0 || m->layers[0].is_extension)
		return error_say(err, EINVAL, "%s: has no line \"layer NAME FILE OPTION…\"", path);
	return 0;
}

static int read_profile(struct parser *p, const char *profile, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/profiles/%s", p->m->directory, profile);
	int r;

	r = words_each_line(path, profile_line, p, err);
	if (r == 0)
		r = check_profile(p->m, path, err);
	if (r == 0)
		r = read_slices(p, err);
	if (r == 0)
		r = read_module_lists(p, err);
	return r;
}

static void placed_names_done(struct placed_names *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
}

static void parser_done(struct parser *p)
{
	placed_names_done(&p->slices);
	placed_names_done(&p->module_lists);
	free(p->package);
}

int manifest_read(const char *distro, const char *profile, const char *suite, struct manifest *ret, struct error *err)
{
	struct manifest m = { .directory = xstrdup(distro) };
	struct parser p = { .m = &m, .suite = suite };
	int r;

	if (path_is_component(profile))
		r = read_profile(&p, profile, err);
	else
		r = error_say(err, EINVAL, "\"%s\" is not the name of a profile", profile);
	parser_done(&p);
	if (r < 0)
		manifest_done(&m);
	else
		*ret = m;
	return r;
}

int manifest_read_slice_text(struct manifest *m, const char *what, const char *text, size_t len, struct error *err)
{
	struct parser p = { .m = m, .slice = what };
	int r = words_each_line_in(what, text, len, slice_line, &p, err);

	parser_done(&p);
	return r;
}

const char *manifest_layer_name(const struct manifest *m, int layer)
{
	return layer == LAYER_INITRD ? "initrd" : m->layers[layer].name;
}

int manifest_last_layer(const struct manifest *m)
{
	int last = (int)m->layer_count - 1;

	while (last > 0 && m->layers[last].is_extension)
		last--;
	return last;
}

void manifest_done(struct manifest *m)
{
	for (size_t i = 0; i < m->rule_count; i++) {
		strv_done(&m->rules[i].args);
		free(m->rules[i].package);
		free(m->rules[i].slice);
		free(m->rules[i].where);
	}
	for (size_t i = 0; i < m->layer_count; i++) {
		free(m->layers[i].name);
		free(m->layers[i].file);
		strv_done(&m->layers[i].options);
	}
	for (size_t i = 0; i < m->package_count; i++) {
		free(m->packages[i].name);
		free(m->packages[i].where);
	}
	for (size_t i = 0; i < m->module_count; i++) {
		free(m->modules[i].name);
		free(m->modules[i].where);
	}
	free(m->modules);
	free(m->rules);
	free(m->layers);
	free(m->packages);
	strv_done(&m->boot_packages);
	strv_done(&m->initrd_pack);
	free(m->directory);
	free(m->kernel);
	free(m->kernel_source);
	free(m->kernel_config);
	free(m->version_package);
	free(m->volume);
	free(m->cmdline);
	*m = (struct manifest){ .layer_count = 0 };
}
