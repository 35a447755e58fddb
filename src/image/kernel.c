// SPDX-License-Identifier: Apache-2.0
// Chooses kernel modules.
//
// Theory of operation
// Debian's kernel package holds modules as .ko.xz with no index; the index is what depmod makes of an installed tree. So
// the names are first looked up among the package's files, each module is unpacked, and its own .modinfo section tells
// what it depends on (`depends=a,b`, and `softdep=pre: c`), which is looked up in turn; a name that is in modules.builtin
// needs nothing. A module is put into the list after what it depends on, so the list is an order of insertion. The chosen
// ones are then written to a scratch folder where the host's depmod makes the indexes that modprobe and libkmod read.
// Modules stay uncompressed: the layer compresses them better together, and the kernel need not unpack them by itself.

#include "image/kernel.h"

#include "image/archives.h"
#include "image/elf_file.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE_MAX (64 << 20)
#define INDEX_MAX (16 << 20)

struct module {
	char *name; // with _ for -
	char *path; // in the image, "….ko"
	int64_t mtime;
	int layer;
	struct blob *blob;
};

struct module_set {
	const struct package *package, *lists;
	char *folder; // "/usr/lib/modules/RELEASE/"
	const char *builtin; // text of modules.builtin
	struct module *items; // each after what it depends on
	size_t count;
	int layer; // of what is being chosen
	struct strv visiting; // names whose dependencies are being looked up, against loops
};

static char *canonical_name(const char *name)
{
	char *copy = xstrdup(name);

	for (char *p = copy; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	return copy;
}

// "…/virtio_net.ko.xz" -> "virtio_net"; NULL when it is no module.
static char *module_name(const char *path)
{
	const char *base = path_base(path);
	const char *ko = strstr(base, ".ko");
	cleanup_free char *stem = NULL;

	if (!ko || (ko[3] != '\0' && ko[3] != '.'))
		return NULL;
	stem = xstrndup(base, (size_t)(ko - base));
	return canonical_name(stem);
}

static const struct deb_entry *find_entry(const struct module_set *set, const char *name)
{
	for (size_t i = 0; i < set->package->deb.count; i++) {
		const struct deb_entry *e = &set->package->deb.entries[i];
		cleanup_free char *this = NULL;

		if (e->type != S_IFREG || strncmp(e->path, set->folder, strlen(set->folder)) != 0)
			continue;
		this = module_name(e->path);
		if (this && strcmp(this, name) == 0)
			return e;
	}
	return NULL;
}

static bool is_builtin(const struct module_set *set, const char *name)
{
	cleanup_strv struct strv lines = STRV_INIT;

	strv_split(&lines, set->builtin, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		cleanup_free char *this = module_name(lines.items[i]);

		if (this && strcmp(this, name) == 0)
			return true;
	}
	return false;
}

static bool is_chosen(const struct module_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return true;
	}
	return false;
}

const char *kernel_modinfo(const unsigned char *info, size_t len, const char *key, const char *from)
{
	const char *at = from ? from + strlen(from) + 1 : (const char *)info;
	const char *end = (const char *)info + len;
	size_t key_len = strlen(key);

	while (at < end && memchr(at, '\0', (size_t)(end - at))) {
		if (strncmp(at, key, key_len) == 0 && at[key_len] == '=')
			return at + key_len + 1;
		at += strlen(at) + 1;
	}
	return NULL;
}

// What a module needs before it: hard dependencies, and the "pre:" part of soft ones.
static int read_dependencies(const struct blob *blob, struct strv *ret, struct error *err)
{
	const uint8_t *info;
	const char *value;
	size_t len;
	int r;

	r = elf_find_section(blob->data, blob->size, ".modinfo", &info, &len, err);
	if (r < 0)
		return r;
	value = kernel_modinfo(info, len, "depends", NULL);
	if (value)
		strv_split(ret, value, ",");
	for (value = NULL; (value = kernel_modinfo(info, len, "softdep", value));) {
		cleanup_strv struct strv words = STRV_INIT;
		bool is_pre = false;

		strv_split(&words, value, " ");
		for (size_t i = 0; i < words.count; i++) {
			if (strchr(words.items[i], ':'))
				is_pre = strcmp(words.items[i], "pre:") == 0;
			else if (is_pre)
				strv_push(ret, words.items[i]);
		}
	}
	return 0;
}

static int unpack_module(const struct deb_entry *e, struct blob **ret, struct error *err)
{
	const char *ko = strstr(path_base(e->path), ".ko");

	if (ko[3] == '\0') {
		*ret = blob_ref(e->blob);
		return 0;
	}
	return archive_decompress(e->blob, e->path, MODULE_MAX, ret, err);
}

static int choose(struct module_set *set, const char *given, struct error *err);

static int choose_dependencies(struct module_set *set, const char *name, const struct blob *blob, struct error *err)
{
	cleanup_strv struct strv needs = STRV_INIT;
	int r = read_dependencies(blob, &needs, err);

	strv_push(&set->visiting, name);
	for (size_t i = 0; r == 0 && i < needs.count; i++) {
		r = choose(set, needs.items[i], err);
		// A soft dependency may name what this kernel was built without, or an alias; modprobe ignores that too.
		if (r == -ENOENT) {
			error_clear(err);
			r = 0;
		}
	}
	return r;
}

static int choose(struct module_set *set, const char *given, struct error *err)
{
	cleanup_free char *name = canonical_name(given);
	cleanup_blob struct blob *blob = NULL;
	const struct deb_entry *e;
	const char *ko;
	int r;

	if (is_chosen(set, name) || strv_contains(&set->visiting, name))
		return 0;
	e = find_entry(set, name);
	if (!e)
		return is_builtin(set, name) ? 0
					     : error_say(err, ENOENT, "the kernel %s has no module %s",
							 set->package->apt->name, given);
	r = unpack_module(e, &blob, err);
	if (r == 0)
		r = choose_dependencies(set, name, blob, err);
	if (r < 0)
		return error_wrap(err, "module %s", name);
	ko = strstr(path_base(e->path), ".ko");
	set->items = xreallocarray(set->items, set->count + 1, sizeof(*set->items));
	set->items[set->count++] = (struct module){ .name = take_ptr(name),
						    .path = xstrndup(e->path, (size_t)(ko - e->path) + 3),
						    .mtime = e->mtime,
						    .layer = set->layer,
						    .blob = take_ptr(blob) };
	return 0;
}

// "*": every module that the package has.
static int choose_every(struct module_set *set, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->package->deb.count; i++) {
		const struct deb_entry *e = &set->package->deb.entries[i];
		cleanup_free char *name = NULL;

		if (e->type == S_IFREG && strncmp(e->path, set->folder, strlen(set->folder)) == 0)
			name = module_name(e->path);
		if (name)
			r = choose(set, name, err);
	}
	return r;
}

// A name that ends in "?" may be of a module that this kernel does not have.
static int choose_named(struct module_set *set, const char *given, struct error *err)
{
	size_t len = strlen(given);
	bool is_optional = len > 0 && given[len - 1] == '?';
	cleanup_free char *bare = xstrndup(given, len - is_optional), *name = canonical_name(bare);

	if (strcmp(name, "*") == 0)
		return choose_every(set, err);
	if (is_optional && !is_builtin(set, name) && !find_entry(set, name))
		return 0;
	return choose(set, name, err);
}

// Chooses what the lists name; `early`: only for the initrd.
static int choose_all(struct module_set *set, const struct manifest *m, bool early, struct error *err)
{
	for (size_t i = 0; i < m->module_count; i++) {
		const struct module_use *use = &m->modules[i];

		if (early && use->layer != LAYER_INITRD)
			continue;
		set->layer = use->layer == LAYER_INITRD ? 0 : use->layer;
		if (choose_named(set, use->name, err) < 0)
			return error_wrap(err, "%s", use->where);
	}
	return 0;
}

static void module_set_done(struct module_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->items[i].name);
		free(set->items[i].path);
		blob_unref(set->items[i].blob);
	}
	free(set->items);
	free(set->folder);
	strv_done(&set->visiting);
}

static int module_set_init(struct module_set *set, const struct kernel_packages *from, const char *release,
			   struct error *err)
{
	cleanup_free char *path = xasprintf("/usr/lib/modules/%s/modules.builtin", release);
	const struct deb_entry *builtin = deb_find(&from->lists->deb, path);

	if (!builtin || !builtin->blob)
		return error_say(err, ENOENT, "package %s has no %s", from->lists->apt->name, path);
	*set = (struct module_set){ .package = from->modules,
				    .lists = from->lists,
				    .builtin = (const char *)builtin->blob->data };
	set->folder = xasprintf("/usr/lib/modules/%s/", release);
	return 0;
}

// Writes one file below the scratch folder that depmod reads.
static int write_below(const char *scratch, const char *path, const struct blob *blob, struct error *err)
{
	cleanup_free char *full = xasprintf("%s%s", scratch, path);
	cleanup_free char *dir = path_dir(full);
	cleanup_close int fd = -1;
	int r = file_mkdirs(dir, 0755, err);

	if (r < 0)
		return r;
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		  0644); // no need of file_replace's fsync: soon removed
	if (fd < 0)
		return error_set(err, errno, "make %s", full);
	return file_write_fd(fd, full, blob->data, blob->size, err);
}

static int fill_scratch(const struct module_set *set, const char *scratch, struct error *err)
{
	static const char *const lists[] = { "modules.builtin", "modules.builtin.modinfo", "modules.order" };
	cleanup_free char *lib = xasprintf("%s/lib", scratch);
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->count; i++)
		r = write_below(scratch, set->items[i].path, set->items[i].blob, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++) {
		cleanup_free char *path = xasprintf("%s%s", set->folder, lists[i]);
		const struct deb_entry *e = deb_find(&set->lists->deb, path);

		if (e && e->blob)
			r = write_below(scratch, path, e->blob, err);
	}
	// depmod looks in /lib/modules or in /usr/lib/modules, as the host's distribution has built it.
	if (r == 0 && symlink("usr/lib", lib) < 0)
		return error_set(err, errno, "make the link %s", lib);
	return r;
}

static int run_depmod(const char *scratch, const char *release, struct error *err)
{
	const char *const argv[] = { "depmod", "-b", scratch, release, NULL };
	int r = proc_output(argv, NULL, err);

	return r < 0 ? error_wrap(err, "indexing the kernel modules") : 0;
}

static int add_indexes(const struct module_set *set, const char *scratch, struct node *root, struct error *err)
{
	static const char *const indexes[] = { "modules.alias",       "modules.alias.bin",         "modules.builtin",
					       "modules.builtin.bin", "modules.builtin.alias.bin", "modules.dep",
					       "modules.dep.bin",     "modules.devname",           "modules.softdep" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(indexes); i++) {
		cleanup_free char *path = xasprintf("%s%s", set->folder, indexes[i]);
		cleanup_free char *full = xasprintf("%s%s", scratch, path);
		cleanup_buf struct buf data = BUF_INIT;
		cleanup_blob struct blob *blob = NULL;
		struct node_spec spec = { .type = NODE_FILE, .mode = 0644, .layer = 0, .origin = "depmod" };

		if (!file_exists(full)) // an older depmod makes fewer
			continue;
		r = file_read(full, INDEX_MAX, &data, err);
		if (r < 0)
			return r;
		spec.blob = blob = blob_from(data.data, data.len);
		r = tree_add(root, path, &spec, NULL, err);
	}
	return r;
}

static int add_modules(const struct manifest *m, const struct kernel_packages *from, const char *release,
		       const char *scratch, struct node *root, size_t *ret_count, struct error *err)
{
	struct module_set set;
	int r = module_set_init(&set, from, release, err);

	if (r < 0)
		return r;
	r = choose_all(&set, m, false, err);
	for (size_t i = 0; r == 0 && i < set.count; i++) {
		const struct module *module = &set.items[i];
		struct node_spec spec = { .type = NODE_FILE,
					  .mode = 0644,
					  .mtime = module->mtime,
					  .blob = module->blob,
					  .layer = module->layer,
					  .origin = from->modules->apt->name };

		r = tree_add(root, module->path, &spec, NULL, err);
	}
	if (r == 0)
		r = fill_scratch(&set, scratch, err);
	if (r == 0)
		r = run_depmod(scratch, release, err);
	if (r == 0)
		r = add_indexes(&set, scratch, root, err);
	*ret_count = set.count;
	module_set_done(&set);
	return r;
}

// The initrd's modules, and /boot/modules that names them in the order of insertion.
static int add_early_modules(const struct manifest *m, const struct kernel_packages *from, const char *release,
			     struct node *initrd, struct error *err)
{
	cleanup_buf struct buf list = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	struct node_spec spec = {
		.type = NODE_FILE, .mode = 0644, .layer = LAYER_INITRD, .origin = from->modules->apt->name
	};
	struct module_set set;
	int r = module_set_init(&set, from, release, err);

	if (r < 0)
		return r;
	r = choose_all(&set, m, true, err);
	for (size_t i = 0; r == 0 && i < set.count; i++) {
		cleanup_free char *path = xasprintf("/boot/%s.ko", set.items[i].name);

		spec.blob = set.items[i].blob;
		r = tree_add(initrd, path, &spec, NULL, err);
		buf_printf(&list, "%s\n", path);
	}
	module_set_done(&set);
	if (r < 0)
		return r;
	spec.blob = blob = blob_from(list.data, list.len);
	return tree_add(initrd, "/boot/modules", &spec, NULL, err);
}

// The release of which this path is the kernel, or NULL. Debian 13 has it in /boot, Debian 14 beside its modules.
static char *release_of_image(const char *path)
{
	static const char boot[] = "/boot/vmlinuz-", modules[] = "/usr/lib/modules/";
	size_t len;

	if (strncmp(path, boot, strlen(boot)) == 0)
		return xstrdup(path + strlen(boot));
	if (strncmp(path, modules, strlen(modules)) != 0)
		return NULL;
	path += strlen(modules);
	len = strcspn(path, "/");
	return strcmp(path + len, "/vmlinuz") == 0 ? xstrndup(path, len) : NULL;
}

static int find_image(const struct package *package, struct kernel *ret, struct error *err)
{
	for (size_t i = 0; i < package->deb.count; i++) {
		const struct deb_entry *e = &package->deb.entries[i];
		char *release = e->type == S_IFREG ? release_of_image(e->path) : NULL;

		if (!release)
			continue;
		ret->release = release;
		ret->image = blob_ref(e->blob);
		return 0;
	}
	return error_say(err, ENOENT, "package %s has no vmlinuz in /boot or beside modules; is it a kernel?",
			 package->apt->name);
}

int kernel_add(const struct manifest *m, const struct kernel_packages *from, const char *scratch, struct node *root,
	       struct node *initrd, struct kernel *ret, struct error *err)
{
	struct kernel k = { .release = NULL };
	int r = find_image(from->image, &k, err);

	if (r == 0)
		r = add_modules(m, from, k.release, scratch, root, &k.module_count, err);
	if (r == 0)
		r = add_early_modules(m, from, k.release, initrd, err);
	if (r < 0)
		kernel_done(&k);
	else
		*ret = k;
	return r;
}

void kernel_done(struct kernel *k)
{
	free(k->release);
	blob_unref(k->image);
	*k = (struct kernel){ .release = NULL };
}
