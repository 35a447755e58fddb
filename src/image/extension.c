// SPDX-License-Identifier: Apache-2.0
// Extensions from packages.
//
// What an image is made of by slices, an extension is made of by a rule: all of the named packages that lies below /usr, and the
// libraries that this needs, from the packages that apt says the named ones depend on. Programs of other packages, which only
// some uses need, are the caller's to name.

#include "image/extension.h"

#include "image/apt.h"
#include "image/cache_lock.h"
#include "image/compose.h"
#include "image/fetch_options.h"
#include "image/layer.h"
#include "image/libraries.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define C_LIBRARY "libc6"

struct options {
	struct fetch_options fetch;
	char *output, *epoch;
};

static const struct option_row extension_options[] = {
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), NULL, NULL, "FILE",
	  "the extension (default: the first package's name with .squashfs)" },
	{ "epoch", 0, OPTION_STRING, offsetof(struct options, epoch), "SOURCE_DATE_EPOCH", "4294967295", "SECONDS",
	  "no file in it is newer" },
	{ NULL },
};

static const struct option_row *const tables[] = { extension_options, fetch_option_rows, NULL };

static void print_help(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_puts(&text, "Usage: b2d-image extension [OPTION…] PACKAGE…\n\n"
			"Makes an extension from Debian packages: a file for /var/lib/boot2docker/extensions.\n"
			"Libraries come by themselves; other programs that a package needs are to be named.\n\n");
	option_help(tables, &text);
	fputs(buf_str(&text), stdout);
}

static bool is_left_out(const char *path)
{
	return strncmp(path, "/usr/", 5) != 0 || packages_is_documentation(path);
}

static int take_package(const struct package *p, struct node *root, struct error *err)
{
	size_t outside = 0;

	for (size_t i = 0; i < p->deb.count; i++) {
		const struct deb_entry *entry = &p->deb.entries[i];
		int r;

		outside += entry->type != S_IFDIR && strncmp(entry->path, "/usr/", 5) != 0;
		if (entry->type == S_IFDIR || is_left_out(entry->path))
			continue;
		r = compose_take(p, entry, 0, root, err);
		if (r < 0)
			return r;
	}
	if (outside > 0)
		log_warn("%s has %zu files outside /usr, which an extension cannot have: see dpkg-deb -c %s",
			 p->apt->name, outside, p->apt->path);
	return 0;
}

static int collect_c_library(struct node *node, void *arg, struct error *err)
{
	cleanup_free char *path = tree_path(node);

	(void)err;
	if (node->type != NODE_DIR && node->origin && strcmp(node->origin, C_LIBRARY) == 0)
		strv_push(arg, path);
	return 0;
}

static int add_link(struct node *root, const char *path, const char *target, struct error *err)
{
	struct node_spec link = { .type = NODE_LINK, .mode = 0777, .target = target, .origin = C_LIBRARY };

	return tree_add(root, path, &link, NULL, err);
}

// What programs name as their loader, as the image has it, so that they are not said to lack it. It goes with the C library.
static int add_loader(const struct packages *packages, struct node *root, struct error *err)
{
	static const char loader[] = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
	const struct package *p = packages_find(packages, C_LIBRARY);
	const struct deb_entry *entry = p && p->is_pool ? deb_find(&p->deb, loader) : NULL;
	int r = add_link(root, "/lib64", "usr/lib64", err);

	if (r < 0 || !entry)
		return r;
	r = add_link(root, "/usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", err);
	return r < 0 ? r : compose_take(p, entry, 0, root, err);
}

// A link to what the image has, or to what was left out, leads nowhere in this tree.
static int allow_dangling(struct node *node, void *arg, struct error *err)
{
	(void)arg;
	(void)err;
	node->may_dangle = true;
	return 0;
}

int extension_compose(const struct manifest *m, const struct packages *packages, struct node *root, struct error *err)
{
	cleanup_strv struct strv c_library = STRV_INIT;
	int r = add_loader(packages, root, err);

	for (size_t i = 0; r == 0 && i < packages->count; i++)
		if (!packages->items[i].is_pool)
			r = take_package(&packages->items[i], root, err);
	if (r == 0)
		r = libraries_add(packages, m->layer_count, root, NULL, err);
	if (r == 0)
		r = tree_walk(root, collect_c_library, &c_library, err);
	for (size_t i = 0; r == 0 && i < c_library.count; i++)
		r = tree_remove(root, c_library.items[i], err);
	return r < 0 ? r : tree_walk(root, allow_dangling, NULL, err);
}

// One layer, and a rule for each package; the pools are the libraries among what these depend on.
static int make_manifest(const struct strv *names, const struct strv *pools, struct manifest *ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;

	ret->layers = xcalloc(1, sizeof(*ret->layers));
	ret->layer_count = 1;
	ret->layers[0] = (struct layer){ .name = xstrdup("extension"), .file = xstrdup("extension") };
	strv_split(&ret->layers[0].options, "-comp zstd -Xcompression-level 19 -b 1M", " ");
	for (size_t i = 0; i < names->count; i++)
		buf_printf(&text, "package %s\nall\n", names->items[i]);
	for (size_t i = 0; i < pools->count; i++)
		if (!strv_contains(names, pools->items[i]))
			buf_printf(&text, "libraries %s\n", pools->items[i]);
	return manifest_read_slice_text(ret, "extension", text.data, text.len, err);
}

static int fetch(const struct apt_spec *apt, const struct strv *names, struct manifest *m, struct apt_set *ret,
		 struct error *err)
{
	cleanup_strv struct strv pools = STRV_INIT, all = STRV_INIT;
	int r = apt_prepare(apt, err);

	if (r == 0)
		r = apt_libraries(apt, names, &pools, err);
	if (r == 0)
		r = make_manifest(names, &pools, m, err);
	for (size_t i = 0; r == 0 && i < m->package_count; i++)
		strv_push(&all, m->packages[i].name);
	return r < 0 ? r : apt_fetch(apt, &all, ret, err);
}

static int make(const struct options *o, const struct strv *names, int64_t epoch, struct error *err)
{
	struct apt_spec apt = fetch_options_apt(&o->fetch);
	cleanup_manifest struct manifest m = { .layers = NULL };
	cleanup_tree struct node *root = tree_new();
	struct apt_set set = { .count = 0 };
	struct packages packages = { .count = 0 };
	const struct strv no_kernel = STRV_INIT;
	struct layer_spec layer = {
		.manifest = &m, .index = 0, .root = root, .epoch = epoch, .cache = apt.cache, .jobs = o->fetch.jobs
	};
	cleanup_free char *made = NULL;
	int r = fetch(&apt, names, &m, &set, err);

	if (r == 0)
		r = packages_read(&m, &set, &no_kernel, o->fetch.jobs, &packages, err);
	if (r == 0)
		r = extension_compose(&m, &packages, root, err);
	if (r == 0)
		r = layer_make(&layer, &made, err);
	if (r == 0)
		r = file_copy(made, o->output, 0644, err);
	packages_done(&packages);
	apt_set_done(&set);
	return r;
}

static int run(struct options *o, const struct strv *names, struct error *err)
{
	cleanup_close int lock = -1;
	int64_t epoch;
	int r;

	if (names->count == 0)
		return error_say(err, EINVAL, "name a package at least; see b2d-image extension --help");
	if (!o->output)
		o->output = xasprintf("%s.squashfs", names->items[0]);
	r = number_parse_i64(o->epoch, 0, UINT32_MAX, &epoch, err);
	if (r == 0)
		r = fetch_options_resolve(&o->fetch, err);
	if (r < 0)
		return r;
	unsetenv("SOURCE_DATE_EPOCH"); // from here on it is an argument; mksquashfs refuses to be told in two ways
	r = cache_lock(o->fetch.cache, &lock, err);
	return r < 0 ? r : make(o, names, epoch, err);
}

int extension_command(int argc, char **argv, struct error *err)
{
	struct options o = { .output = NULL };
	cleanup_strv struct strv names = STRV_INIT;
	int r = option_parse(tables, &o, argc, argv, &(struct option_parse){ .operands = &names }, err);

	if (r == 0 && o.fetch.help)
		print_help();
	else if (r == 0)
		r = run(&o, &names, err);
	option_done(tables, &o);
	return r;
}
