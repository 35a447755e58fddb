// SPDX-License-Identifier: Apache-2.0
// The way from manifests to files, one function a stage.
//
// Theory of operation
// All results are first made in a folder beside the output ones (OUTPUT/.new-XXXXXX), then renamed one by one; a build that
// fails removes that folder and leaves the former results as they were. One build at a time uses a cache (a lock).

#include "image/build.h"

#include "image/apt.h"
#include "image/cache_lock.h"
#include "image/compose.h"
#include "image/iso.h"
#include "image/kernel.h"
#include "image/kernel_build.h"
#include "image/layer.h"
#include "image/libraries.h"
#include "image/manifest.h"
#include "image/packages.h"
#include "image/report.h"
#include "image/spdx.h"
#include "image/tree.h"
#include "image/users.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include "lib/version.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LAYER_MAX ((size_t)1 << 30)
#define PACK_TIMEOUT_MS (20 * 60 * 1000)

struct build {
	const struct build_spec *spec;
	int lock; // of the cache
	struct manifest manifest;
	struct apt_set set;
	struct packages packages;
	struct users *users;
	struct node *root, *initrd;
	struct strv kernel_packages; // one that has all, or those that have the image, the modules and their lists
	char *version; // of the image: the upstream part of the version package's
	char date[32]; // of the epoch
	char iso[32]; // the ISO's own identifier: the same date, as blkid and GRUB have it
	struct template_value values[6];
	struct kernel kernel;
	char *work; // folder for the results, until they are complete
	uint64_t *layer_sizes;
};

static int check_programs(const struct build_spec *spec, struct error *err)
{
	static const struct {
		const char *program, *package;
		bool for_iso;
	} needed[] = { { "apt-get", "apt", false },
		       { "mksquashfs", "squashfs-tools", false },
		       { "depmod", "kmod", false },
		       { "strip", "binutils", false },
		       { "xorriso", "xorriso", true },
		       { "mformat", "mtools", true },
		       { "grub-mkimage", "grub-common", true },
		       { "xz", "xz-utils", true } };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		cleanup_free char *path = NULL;

		if (needed[i].for_iso && spec->no_iso)
			continue;
		if (proc_find(needed[i].program, &path, err) < 0)
			return error_say(err, ENOENT, "the program %s is missing; install the package %s",
					 needed[i].program, needed[i].package);
	}
	return 0;
}

// The kernel that is built here joins the packages as if it had been fetched. The cache's lock is held for apt's sake: others can build
// images while the kernel compiles.
static int build_kernel(struct build *b, struct error *err)
{
	cleanup_free char *config = path_join(b->manifest.directory, b->manifest.kernel_config);
	struct kernel_build_spec spec = { .apt = &b->spec->apt,
					  .source = b->manifest.kernel_source,
					  .config = config,
					  .extra = b->spec->kernel_config,
					  .jobs = b->spec->jobs };
	cleanup_kernel_plan struct kernel_plan plan = { .path = NULL };
	int r = kernel_plan(&spec, &plan, err);

	if (r < 0)
		return r;
	close(b->lock);
	b->lock = -1;
	r = kernel_build(&spec, &plan, &b->set, err);
	return r < 0 ? r : cache_lock(b->spec->apt.cache, &b->lock, err);
}

// A pool that this suite does not have is no fault: another suite's programs ask for other libraries, and one that is asked for
// and not found is an error later.
static void add_slice_packages(const struct build *b, struct strv *names)
{
	cleanup_strv struct strv known = STRV_INIT;

	apt_names_like(&b->spec->apt, "", &known);
	for (size_t i = 0; i < b->manifest.package_count; i++) {
		const struct package_use *use = &b->manifest.packages[i];

		if (!use->is_named && known.count > 0 && !strv_contains(&known, use->name))
			log_debug("%s: Debian %s has no %s; its libraries are done without", use->where,
				  b->spec->apt.suite, use->name);
		else if (!strv_contains(names, use->name))
			strv_push(names, use->name);
	}
}

// Debian 14 has in linux-image-RELEASE no more than its dependencies.
static int find_kernel_packages(struct build *b, struct error *err)
{
	static const char prefix[] = "linux-image-";
	const struct apt_spec *apt = &b->spec->apt;
	cleanup_free char *image = NULL;
	int r = apt_resolve_meta(apt, b->manifest.kernel, &image, err);

	if (r < 0)
		return r;
	if (strncmp(image, prefix, strlen(prefix)) == 0) {
		cleanup_free char *binary = xasprintf("linux-binary-%s", image + strlen(prefix));
		cleanup_strv struct strv known = STRV_INIT;

		apt_names_like(apt, binary, &known);
		if (strv_contains(&known, binary)) {
			strv_push(&b->kernel_packages, binary);
			strv_pushf(&b->kernel_packages, "linux-modules-%s", image + strlen(prefix));
			strv_pushf(&b->kernel_packages, "linux-base-%s", image + strlen(prefix));
			return 0;
		}
	}
	strv_push(&b->kernel_packages, image);
	return 0;
}

static int fetch_packages(struct build *b, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	bool is_built = b->manifest.kernel_source;
	int r;

	r = apt_prepare(&b->spec->apt, err);
	if (r == 0)
		r = additions_packages(b->spec->additions, &b->spec->apt, &b->manifest, err);
	if (r == 0 && is_built)
		strv_push(&b->kernel_packages, KERNEL_PACKAGE);
	else if (r == 0)
		r = find_kernel_packages(b, err);
	if (r < 0)
		return r;
	if (!is_built)
		strv_push_all(&names, (const char *const *)strv_argv(&b->kernel_packages));
	add_slice_packages(b, &names);
	for (size_t i = 0; !b->spec->no_iso && i < b->manifest.boot_packages.count; i++) {
		if (!strv_contains(&names, b->manifest.boot_packages.items[i]))
			strv_push(&names, b->manifest.boot_packages.items[i]);
	}
	r = apt_fetch(&b->spec->apt, &names, &b->set, err);
	return r == 0 && is_built ? build_kernel(b, err) : r;
}

// "1:26.1.5+dfsg1-9+deb13u1+b1" -> "26.1.5"
static char *upstream_version(const char *version)
{
	const char *colon = strchr(version, ':');
	const char *start = colon ? colon + 1 : version;

	return xstrndup(start, strcspn(start, "-+~"));
}

// What the marks in overlay files and boot menus stand for.
static void fill_values(struct build *b)
{
	const struct template_value values[] = { { "@VERSION@", b->version },
						 { "@BUILD@", B2D_VERSION },
						 { "@DATE@", b->date },
						 { "@ISO@", b->iso },
						 { "@CMDLINE@", b->manifest.cmdline ? b->manifest.cmdline : "" },
						 { NULL } };
	time_t epoch = (time_t)b->spec->epoch;
	struct tm tm;

	gmtime_r(&epoch, &tm);
	strftime(b->date, sizeof(b->date), "%Y-%m-%d", &tm);
	strftime(b->iso, sizeof(b->iso), "%Y-%m-%d-%H-%M-%S-00", &tm);
	memcpy(b->values, values, sizeof(values));
}

static int find_version(struct build *b, struct error *err)
{
	const struct apt_package *p = apt_set_find(&b->set, b->manifest.version_package);

	if (!p)
		return error_say(err, ENOENT, "the profile's version-from names %s, which no slice takes anything from",
				 b->manifest.version_package);
	b->version = upstream_version(p->version);
	fill_values(b);
	return 0;
}

static int compose_trees(struct build *b, struct error *err)
{
	cleanup_free char *users_path = path_join(b->manifest.directory, "users");
	int r;

	r = users_read(users_path, &b->users, err);
	if (r < 0)
		return r;
	r = compose(&(struct compose_spec){ .manifest = &b->manifest,
					    .packages = &b->packages,
					    .users = b->users,
					    .programs = b->spec->programs,
					    .scratch = b->work,
					    .values = b->values,
					    .epoch = b->spec->epoch },
		    b->root, b->initrd, err);
	return r < 0 ? r : additions_files(b->spec->additions, &b->manifest, b->spec->epoch, b->root, err);
}

static int add_kernel(struct build *b, struct error *err)
{
	const struct strv *names = &b->kernel_packages;
	const struct kernel_packages from = {
		.image = packages_find(&b->packages, names->items[0]),
		.modules = packages_find(&b->packages, names->items[names->count > 1]),
		.lists = packages_find(&b->packages, names->items[names->count - 1]),
	};
	cleanup_free char *scratch = xasprintf("%s/modules", b->work);
	int r = file_mkdirs(scratch, 0755, err);

	if (r == 0)
		r = kernel_add(&b->manifest, &from, scratch, b->root, b->initrd, &b->kernel, err);
	return r;
}

// Says which packages have the libraries that were not found, by the names that Debian's policy gives them.
static int suggest_libraries(struct build *b, const struct strv *missing, struct error *err)
{
	cleanup_buf struct buf hint = BUF_INIT;

	for (size_t i = 0; i < missing->count; i++) {
		cleanup_free char *guess = libraries_guess_package(missing->items[i]);
		cleanup_strv struct strv names = STRV_INIT;

		apt_names_like(&b->spec->apt, guess, &names);
		for (size_t n = 0; n < names.count && n < 3; n++)
			buf_printf(&hint, "%s%s", hint.len > 0 ? " " : "", names.items[n]);
	}
	if (hint.len > 0)
		return error_say(err, err->code, "%s (perhaps: libraries %s)", err->msg, hint.data);
	return -err->code;
}

static int add_libraries(struct build *b, struct error *err)
{
	cleanup_strv struct strv missing = STRV_INIT;
	int r = libraries_add(&b->packages, b->manifest.layer_count, b->root, &missing, err);

	if (r < 0 && missing.count > 0)
		return suggest_libraries(b, &missing, err);
	return r;
}

static int add_to_initrd(struct build *b, const struct layer *layer, const char *path, struct error *err)
{
	cleanup_free char *name = xasprintf("/layers/%s.squashfs", layer->file);
	struct node_spec node = { .type = NODE_FILE, .mode = 0644, .layer = LAYER_INITRD, .origin = "layers" };
	cleanup_buf struct buf data = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	int r = file_read(path, LAYER_MAX, &data, err);

	if (r < 0)
		return r;
	node.blob = blob = blob_from(data.data, data.len);
	return tree_add(b->initrd, name, &node, NULL, err);
}

struct extension_check {
	const struct layer *layer;
	int index;
};

// A machine lays an extension over /usr, and over nothing else.
static int check_below_usr(struct node *node, void *arg, struct error *err)
{
	const struct extension_check *check = arg;
	cleanup_free char *path = tree_path(node);

	if (node->type == NODE_DIR || node->layer != check->index || strncmp(path, "/usr/", 5) == 0)
		return 0;
	return error_say(err, EINVAL, "%s is not below /usr, so it cannot be in the extension %s", path,
			 check->layer->name);
}

static int make_layer(struct build *b, size_t index, struct error *err)
{
	const struct layer *layer = &b->manifest.layers[index];
	cleanup_free char *path = NULL, *beside = xasprintf("%s/%s.squashfs", b->work, layer->file);
	struct extension_check check = { layer, (int)index };
	struct layer_spec spec = { .manifest = &b->manifest,
				   .index = (int)index,
				   .root = b->root,
				   .epoch = b->spec->epoch,
				   .cache = b->spec->apt.cache,
				   .jobs = b->spec->jobs };
	struct stat st;
	int r = layer->is_extension ? tree_walk(b->root, check_below_usr, &check, err) : 0;

	if (r == 0)
		r = layer_make(&spec, &path, err);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return error_set(err, errno, "look at %s", path);
	b->layer_sizes[index] = (uint64_t)st.st_size;
	return layer->is_extension ? file_copy(path, beside, 0644, err) : add_to_initrd(b, layer, path, err);
}

// Replaces the file by what initrd-pack's program makes of it.
static int pack_initrd(const struct build *b, const char *path, struct error *err)
{
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_close int in = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (in < 0)
		return error_set(err, errno, "open %s", path);
	r = file_writer_open(&w, path, 0644, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b->manifest.initrd_pack.count; i++)
		strv_push(&argv, b->manifest.initrd_pack.items[i]);
	r = proc_check(&(struct proc_spec){ .argv = (const char *const *)strv_argv(&argv),
					    .in = PROC_FD,
					    .in_fd = in,
					    .out = PROC_FD,
					    .out_fd = w.fd,
					    .timeout_ms = PACK_TIMEOUT_MS },
		       err);
	return r < 0 ? r : file_writer_commit(&w, err);
}

static int make_initrd(struct build *b, struct error *err)
{
	cleanup_free char *path = path_join(b->work, "initrd.img");
	cleanup_file_writer struct file_writer w = FILE_WRITER_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->manifest.layer_count; i++)
		r = make_layer(b, i, err);
	if (r == 0)
		r = additions_extensions(b->spec->additions, b->initrd, err);
	if (r == 0)
		r = file_writer_open(&w, path, 0644, err);
	if (r == 0)
		r = initrd_write(b->initrd, b->spec->epoch, w.fd, err);
	if (r == 0)
		r = file_writer_commit(&w, err);
	if (r == 0 && b->manifest.initrd_pack.count > 0)
		r = pack_initrd(b, path, err);
	return r < 0 ? error_wrap(err, "writing the initrd") : 0;
}

static int write_package_list(const struct build *b, struct error *err)
{
	cleanup_free char *path = path_join(b->work, "packages.txt");
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < b->set.count; i++)
		buf_printf(&text, "%s %s %s\n", b->set.items[i].name, b->set.items[i].version, b->set.items[i].sha256);
	return file_replace(path, text.data, text.len, 0644, err);
}

static int write_spdx(const struct build *b, struct error *err)
{
	cleanup_free char *path = path_join(b->work, "packages.spdx.json");
	cleanup_buf struct buf text = BUF_INIT;

	spdx_print(&b->set, b->version, b->spec->epoch, &text);
	return file_replace(path, text.data, text.len, 0644, err);
}

static int make_results(struct build *b, struct error *err)
{
	cleanup_free char *vmlinuz = path_join(b->work, "vmlinuz");
	int r;

	r = make_initrd(b, err);
	if (r == 0)
		r = file_replace(vmlinuz, b->kernel.image->data, b->kernel.image->size, 0644, err);
	if (r == 0)
		r = write_package_list(b, err);
	if (r == 0)
		r = write_spdx(b, err);
	if (r < 0 || b->spec->no_iso)
		return r;
	return iso_make(&(struct iso_spec){ .manifest = &b->manifest,
					    .packages = &b->packages,
					    .work = b->work,
					    .values = b->values,
					    .epoch = b->spec->epoch },
			err);
}

static int publish_file(const struct build *b, const char *name, struct error *err)
{
	cleanup_free char *from = path_join(b->work, name);
	cleanup_free char *to = path_join(b->spec->output, name);

	return rename(from, to) < 0 ? error_set(err, errno, "move %s to %s", from, to) : 0;
}

static int publish(const struct build *b, struct error *err)
{
	static const char *const results[] = { "vmlinuz", "initrd.img", "packages.txt", "packages.spdx.json",
					       "boot2docker.iso" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->manifest.layer_count; i++) {
		cleanup_free char *name = xasprintf("%s.squashfs", b->manifest.layers[i].file);

		if (b->manifest.layers[i].is_extension)
			r = publish_file(b, name, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(results); i++) {
		if (!b->spec->no_iso || strcmp(results[i], "boot2docker.iso") != 0)
			r = publish_file(b, results[i], err);
	}
	return r;
}

static uint64_t size_of(const struct build *b, const char *name)
{
	cleanup_free char *path = path_join(b->spec->output, name);
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void print_report(const struct build *b)
{
	cleanup_buf struct buf text = BUF_INIT;

	report_print(&(struct report_spec){ .manifest = &b->manifest,
					    .root = b->root,
					    .layer_sizes = b->layer_sizes,
					    .kernel_size = size_of(b, "vmlinuz"),
					    .initrd_size = size_of(b, "initrd.img"),
					    .iso_size = b->spec->no_iso ? 0 : size_of(b, "boot2docker.iso"),
					    .module_count = b->kernel.module_count },
		     &text);
	fputs(buf_str(&text), stdout);
}

static int make_work_folder(struct build *b, struct error *err)
{
	int r = file_mkdirs(b->spec->output, 0755, err);

	if (r < 0)
		return r;
	b->work = xasprintf("%s/.new-XXXXXX", b->spec->output);
	if (!mkdtemp(b->work)) {
		r = error_set(err, errno, "make a folder in %s", b->spec->output);
		free(take_ptr(b->work));
	}
	return r;
}

static int read_manifest(struct build *b, struct error *err)
{
	int r = manifest_read(b->spec->distro, b->spec->profile, b->spec->apt.suite, &b->manifest, err);

	if (r == 0)
		b->layer_sizes = xcalloc(b->manifest.layer_count, sizeof(uint64_t));
	return r;
}

static int read_packages(struct build *b, struct error *err)
{
	log_info("Unpacking %zu packages", b->set.count);
	return packages_read(&b->manifest, &b->set, &b->kernel_packages, b->spec->jobs, &b->packages, err);
}

static int check_links(struct build *b, struct error *err)
{
	return tree_check_links(b->root, err);
}

static int check_host(struct build *b, struct error *err)
{
	return check_programs(b->spec, err);
}

static int publish_results(struct build *b, struct error *err)
{
	return publish(b, err);
}

static int run_stages(struct build *b, struct error *err)
{
	static int (*const stages[])(struct build *, struct error *) = {
		check_host,    read_manifest, fetch_packages, find_version, make_work_folder, read_packages,
		compose_trees, add_kernel,    add_libraries,  check_links,  make_results,     publish_results,
	};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = stages[i](b, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static void build_done(struct build *b)
{
	struct error err = ERROR_INIT;

	if (b->work && file_remove_tree(b->work, &err) < 0)
		log_warn("%s", err.msg);
	tree_free(b->root);
	tree_free(b->initrd);
	users_free(b->users);
	kernel_done(&b->kernel);
	packages_done(&b->packages);
	apt_set_done(&b->set);
	manifest_done(&b->manifest);
	strv_done(&b->kernel_packages);
	free(b->version);
	free(b->layer_sizes);
	free(b->work);
	if (b->lock >= 0)
		close(b->lock);
}

int build_run(const struct build_spec *spec, struct error *err)
{
	struct build b = { .spec = spec, .lock = -1, .root = tree_new(), .initrd = tree_new() };
	int r = cache_lock(spec->apt.cache, &b.lock, err);

	if (r == 0)
		r = run_stages(&b, err);
	if (r == 0 && !spec->quiet)
		print_report(&b);
	build_done(&b);
	return r;
}
