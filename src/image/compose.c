// SPDX-License-Identifier: Apache-2.0
// One function for each kind of rule.

#include "image/compose.h"

#include "image/elf_file.h"
#include "image/glob.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRAM_MAX (128 << 20)
#define OVERLAY_FILE_MAX (16 << 20)

struct composer {
	const struct compose_spec *spec;
	struct node *root, *initrd;
};

static struct node *tree_of(const struct composer *c, const struct rule *rule)
{
	return rule->layer == LAYER_INITRD ? c->initrd : c->root;
}

int compose_take(const struct package *p, const struct deb_entry *entry, int layer, struct node *root,
		 struct error *err)
{
	struct node_spec spec = { .mode = entry->mode, .mtime = entry->mtime, .layer = layer, .origin = p->apt->name };

	switch (entry->type) {
	case S_IFDIR:
		spec.type = NODE_DIR;
		spec.mtime = 0; // a folder may be in several layers
		break;
	case S_IFLNK:
		spec.type = NODE_LINK;
		spec.mode = 0777;
		spec.target = entry->target;
		break;
	default:
		spec.type = NODE_FILE;
		spec.blob = entry->blob;
		break;
	}
	return tree_add(root, entry->path, &spec, NULL, err);
}

static int take_glob(const struct composer *c, const struct rule *rule, const struct package *p, const char *glob,
		     struct error *err)
{
	bool is_found = false;

	for (size_t i = 0; i < p->deb.count; i++) {
		const struct deb_entry *entry = &p->deb.entries[i];
		int r;

		if (!glob_match(glob, entry->path) || (entry->type == S_IFDIR && glob_is_pattern(glob)))
			continue;
		is_found = true;
		r = compose_take(p, entry, rule->layer, tree_of(c, rule), err);
		if (r < 0)
			return r;
	}
	if (is_found)
		return 0;
	return error_say(err, ENOENT, "package %s (%s) has nothing that matches %s; has it moved? See dpkg-deb -c %s",
			 p->apt->name, p->apt->version, glob, p->apt->path);
}

static int rule_file(const struct composer *c, const struct rule *rule, struct error *err)
{
	const struct package *p = packages_find(c->spec->packages, rule->package);
	int r = 0;

	for (size_t i = 0; r == 0 && i < rule->args.count; i++)
		r = take_glob(c, rule, p, rule->args.items[i], err);
	return r;
}

// What a package's scripts would have made of it is not known: its links may lead nowhere.
static int take_as_it_is(const struct composer *c, const struct rule *rule, const struct deb_entry *entry,
			 const struct package *p, struct error *err)
{
	struct node *node;
	int r = compose_take(p, entry, rule->layer, tree_of(c, rule), err);

	if (r < 0 || entry->type != S_IFLNK)
		return r;
	r = tree_lookup(tree_of(c, rule), entry->path, false, &node, err);
	if (r == 0)
		node->may_dangle = true;
	return r;
}

static int rule_all(const struct composer *c, const struct rule *rule, struct error *err)
{
	const struct package *p = packages_find(c->spec->packages, rule->package);
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->deb.count; i++) {
		const struct deb_entry *entry = &p->deb.entries[i];
		bool is_inside = strncmp(entry->path, "/usr/", 5) == 0 || strncmp(entry->path, "/etc/", 5) == 0;

		if (entry->type != S_IFDIR && is_inside && !packages_is_documentation(entry->path))
			r = take_as_it_is(c, rule, entry, p, err);
	}
	return r;
}

static int rule_concat(const struct composer *c, const struct rule *rule, struct error *err)
{
	const struct package *p = packages_find(c->spec->packages, rule->package);
	const char *glob = rule->args.items[1];
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	struct node_spec spec = { .type = NODE_FILE, .mode = 0644, .layer = rule->layer, .origin = rule->package };

	for (size_t i = 0; i < p->deb.count; i++) {
		const struct deb_entry *entry = &p->deb.entries[i];

		if (entry->type != S_IFREG || !glob_match(glob, entry->path))
			continue;
		buf_add(&text, entry->blob->data, entry->blob->size);
		if (text.len > 0 && text.data[text.len - 1] != '\n')
			buf_putc(&text, '\n');
	}
	if (text.len == 0)
		return error_say(err, ENOENT, "package %s (%s) has no file that matches %s", rule->package,
				 p->apt->version, glob);
	blob = blob_from(text.data, text.len);
	spec.blob = blob;
	return tree_add(tree_of(c, rule), rule->args.items[0], &spec, NULL, err);
}

static int add_link(const struct composer *c, const struct rule *rule, const char *path, const char *target,
		    bool may_dangle, struct error *err)
{
	struct node_spec spec = { .type = NODE_LINK,
				  .mode = 0777,
				  .target = target,
				  .layer = rule->layer,
				  .may_dangle = may_dangle,
				  .replace = true,
				  .origin = rule->slice };

	return tree_add(tree_of(c, rule), path, &spec, NULL, err);
}

static int rule_link(const struct composer *c, const struct rule *rule, struct error *err)
{
	return add_link(c, rule, rule->args.items[0], rule->args.items[1], true, err);
}

// Names for a program that has many (busybox). These rules run last: a name that something else has taken stays as it is.
static int rule_links(const struct composer *c, const struct rule *rule, struct error *err)
{
	const char *target = rule->args.items[0];
	int r = 0;

	for (size_t i = 2; r == 0 && i < rule->args.count; i++) {
		cleanup_free char *path = path_join(rule->args.items[1], rule->args.items[i]);
		struct node *taken;

		if (tree_lookup(tree_of(c, rule), path, false, &taken, NULL) < 0)
			r = add_link(c, rule, path, target, false, err);
	}
	return r;
}

// MODE [USER GROUP] from the second word on.
static int parse_mode(const struct composer *c, const struct rule *rule, struct node_spec *spec, struct error *err)
{
	const struct strv *args = &rule->args;
	uint64_t mode;
	int r;

	r = number_parse_octal(args->items[1], 07777, &mode, err);
	if (r < 0)
		return r;
	spec->mode = (mode_t)mode;
	if (args->count == 3)
		return error_say(err, EINVAL, "a user needs a group: MODE USER GROUP");
	if (args->count < 4)
		return 0;
	r = users_uid(c->spec->users, args->items[2], &spec->uid, err);
	if (r == 0)
		r = users_gid(c->spec->users, args->items[3], &spec->gid, err);
	return r;
}

static int rule_dir(const struct composer *c, const struct rule *rule, struct error *err)
{
	struct node_spec spec = { .type = NODE_DIR, .layer = rule->layer, .origin = rule->slice };
	int r = parse_mode(c, rule, &spec, err);

	return r < 0 ? r : tree_add(tree_of(c, rule), rule->args.items[0], &spec, NULL, err);
}

static int rule_mode(const struct composer *c, const struct rule *rule, struct error *err)
{
	struct node_spec spec = { .uid = 0 };
	struct node *node;
	int r = parse_mode(c, rule, &spec, err);

	if (r < 0)
		return r;
	r = tree_lookup(tree_of(c, rule), rule->args.items[0], false, &node, err);
	if (r < 0)
		return r;
	node->mode = spec.mode;
	node->uid = spec.uid;
	node->gid = spec.gid;
	return 0;
}

// The program without what only a debugger reads: half of it, and the builder's own paths.
static int read_stripped(const struct composer *c, const char *path, struct buf *ret, struct error *err)
{
	cleanup_free char *stripped = path_join(c->spec->scratch, "stripped");
	const char *const argv[] = { "strip", "-o", stripped, path, NULL };
	int r;

	buf_clear(ret);
	r = proc_output(argv, NULL, err);
	if (r == 0)
		r = file_read(stripped, PROGRAM_MAX, ret, err);
	if (r == 0)
		r = file_unlink(stripped, err);
	return r;
}

static int rule_program(const struct composer *c, const struct rule *rule, struct error *err)
{
	struct node_spec spec = {
		.type = NODE_FILE, .mode = 0755, .layer = rule->layer, .replace = true, .origin = rule->slice
	};
	cleanup_free char *path = path_join(c->spec->programs, rule->args.items[0]);
	cleanup_buf struct buf data = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	uint64_t mode = 0755;
	int r;

	if (!path_is_safe_relative(rule->args.items[0]))
		return error_say(err, EINVAL, "\"%s\" is not a name below the folder of the programs",
				 rule->args.items[0]);
	if (rule->args.count == 3 && number_parse_octal(rule->args.items[2], 07777, &mode, err) < 0)
		return -EINVAL;
	r = file_read(path, PROGRAM_MAX, &data, err);
	if (r < 0)
		return error_wrap(err, "guest program %s (build it first, or name its folder with --programs)",
				  rule->args.items[0]);
	if (elf_is_elf(data.data, data.len))
		r = read_stripped(c, path, &data, err);
	if (r < 0)
		return r;
	spec.mode = (mode_t)mode;
	spec.mtime = c->spec->epoch;
	spec.blob = blob = blob_from(data.data, data.len);
	return tree_add(tree_of(c, rule), rule->args.items[1], &spec, NULL, err);
}

struct overlay {
	const struct composer *c;
	const struct rule *rule;
};

static int overlay_file(const struct overlay *o, const char *from, const char *to, mode_t mode, struct error *err)
{
	struct node_spec spec = {
		.type = NODE_FILE, .layer = o->rule->layer, .replace = true, .origin = o->rule->slice
	};
	cleanup_free char *path = xstrdup(to);
	cleanup_buf struct buf data = BUF_INIT, filled = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	size_t len = strlen(path);
	int r;

	r = file_read(from, OVERLAY_FILE_MAX, &data, err);
	if (r < 0)
		return r;
	if (len > 3 && strcmp(path + len - 3, ".in") == 0) {
		path[len - 3] = '\0';
		template_fill(buf_str(&data), o->c->spec->values, &filled);
		spec.blob = blob = blob_from(filled.data, filled.len);
	} else {
		spec.blob = blob = blob_from(data.data, data.len);
	}
	spec.mtime = o->c->spec->epoch;
	spec.mode = mode & 0100 ? 0755 : 0644; // the rest of the mode is the work tree's, not the image's
	return tree_add(tree_of(o->c, o->rule), path, &spec, NULL, err);
}

static int overlay_folder(const struct overlay *o, const char *from, const char *to, struct error *err);

static int overlay_entry(const struct overlay *o, const char *from, const char *to, struct error *err)
{
	char target[4096];
	struct stat st;
	ssize_t len;

	if (lstat(from, &st) < 0)
		return error_set(err, errno, "look at %s", from);
	if (S_ISDIR(st.st_mode))
		return overlay_folder(o, from, to, err);
	if (S_ISREG(st.st_mode))
		return overlay_file(o, from, to, st.st_mode, err);
	if (!S_ISLNK(st.st_mode))
		return error_say(err, EINVAL, "%s is neither file, folder nor symbolic link", from);
	len = readlink(from, target, sizeof(target) - 1);
	if (len < 0)
		return error_set(err, errno, "read the link %s", from);
	target[len] = '\0';
	return add_link(o->c, o->rule, to, target, true, err);
}

static int overlay_folder(const struct overlay *o, const char *from, const char *to, struct error *err)
{
	struct dirent **names = NULL;
	int count = scandir(from, &names, NULL, alphasort);
	int r = 0;

	if (count < 0)
		return error_set(err, errno, "read the folder %s", from);
	for (int i = 0; i < count; i++) {
		cleanup_free char *below = path_join(from, names[i]->d_name);
		cleanup_free char *path = path_join(to, names[i]->d_name);

		if (r == 0 && strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
			r = overlay_entry(o, below, path, err);
		free(names[i]);
	}
	free(names);
	return r;
}

static int rule_overlay(const struct composer *c, const struct rule *rule, struct error *err)
{
	cleanup_free char *from = path_join(c->spec->manifest->directory, rule->args.items[0]);
	struct overlay o = { c, rule };

	return overlay_folder(&o, from, "/", err);
}

static int rule_users(const struct composer *c, const struct rule *rule, struct error *err)
{
	return users_write(c->spec->users, tree_of(c, rule), rule->layer, c->spec->epoch, err);
}

int compose(const struct compose_spec *spec, struct node *root, struct node *initrd, struct error *err)
{
	static int (*const run[])(const struct composer *, const struct rule *, struct error *) = {
		[RULE_FILE] = rule_file,   [RULE_ALL] = rule_all,         [RULE_CONCAT] = rule_concat,
		[RULE_LINK] = rule_link,   [RULE_LINKS] = rule_links,     [RULE_DIR] = rule_dir,
		[RULE_MODE] = rule_mode,   [RULE_OVERLAY] = rule_overlay, [RULE_PROGRAM] = rule_program,
		[RULE_USERS] = rule_users,
	};
	struct composer c = { spec, root, initrd };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < spec->manifest->rule_count; i++) {
			const struct rule *rule = &spec->manifest->rules[i];

			if ((rule->kind == RULE_LINKS) == (pass == 1) && run[rule->kind](&c, rule, err) < 0)
				return error_wrap(err, "%s", rule->where);
		}
	}
	return 0;
}
