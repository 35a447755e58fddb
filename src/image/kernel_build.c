// SPDX-License-Identifier: Apache-2.0
// Builds the kernel, and keeps what was built.
//
// Theory of operation
// A kernel is known by what goes into it: the source package's SHA-256, the merged fragments, the compiler and the linker,
// and RECIPE, which changes when this file builds differently. The SHA-256 of all that is in the result's name, below
// CACHE/kernels/; a result that is there is complete, because it comes there by a rename. A build unpacks the source into a
// folder of its own in the cache (removed afterwards, or by the next build when this one was killed, unless the caller named one
// to keep), gives Kconfig the fragments as the only options that are on (allnoconfig), checks that they held, and compiles in the source folder itself: relative paths only, so the
// same inputs give the same bytes wherever the cache is. What the kernel would record of the machine and the day is set
// here: the builder's name, and as the time that of the source's Makefile, which Debian's package carries.

#include "image/kernel_build.h"

#include "image/archives.h"
#include "image/cache_lock.h"
#include "image/deb.h"
#include "image/kernel_config.h"
#include "image/kernel_package.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECIPE "2"
// Modules are compiled for size: few of them run in any one machine (the kernel itself would start a sixth slower, doc/performance.md); but
// for one that must not be optimised at all (crypto/jitterentropy.c).
#define SMALL_MODULES "CFLAGS_MODULE=$(if $(filter -O0,$(_c_flags)),,-Os)"
#define CONFIG_MAX (4 << 20)
#define LOG_MAX ((size_t)64 << 20)
#define BUILD_TIMEOUT_MS (4 * 60 * 60 * 1000)

struct build {
	const struct kernel_build_spec *spec;
	const struct kernel_plan *plan;
	char *work; // the folder to build in
	char *source; // in it: the unpacked tree
	char *install; // in it: what the package will hold
	char *stamp; // in it: which source the tree is
	char *log_path;
	int log;
	int64_t epoch;
};

void kernel_plan_done(struct kernel_plan *p)
{
	apt_set_done(&p->source);
	buf_done(&p->options);
	free(p->compiler);
	free(p->path);
	*p = (struct kernel_plan){ .path = NULL };
}

// Says what a kernel build needs and the host lacks: programs by their names, libraries by a header.
static int check_host(struct error *err)
{
	static const struct {
		const char *needed, *package;
	} table[] = {
		{ "gcc", "gcc" },       { "make", "make" },      { "ld", "binutils" },
		{ "flex", "flex" },     { "bison", "bison" },    { "bc", "bc" },
		{ "perl", "perl" },     { "tar", "tar" },        { "xz", "xz-utils" },
		{ "lz4", "lz4" },       { "zstd", "zstd" },      { "/usr/include/libelf.h", "libelf-dev" },
		{ "cmp", "diffutils" }, { "find", "findutils" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup_free char *path = NULL;

		if (table[i].needed[0] == '/' ? !file_exists(table[i].needed)
					      : proc_find(table[i].needed, &path, err) < 0)
			return error_say(err, ENOENT,
					 "%s is missing, which building the kernel needs; install the package %s",
					 table[i].needed, table[i].package);
	}
	return 0;
}

static int add_version(const char *program, struct buf *ret, struct error *err)
{
	const char *const argv[] = { program, "--version", NULL };
	cleanup_buf struct buf out = BUF_INIT;
	int r = proc_output(argv, &out, err);

	if (r == 0)
		buf_printf(ret, "%.*s\n", (int)strcspn(buf_str(&out), "\n"), buf_str(&out));
	return r;
}

static int read_options(const struct kernel_build_spec *spec, struct kernel_config *ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = kernel_config_add_folder(ret, spec->config, err);

	if (r < 0 || !spec->extra)
		return r;
	r = file_read(spec->extra, CONFIG_MAX, &text, err);
	return r < 0 ? r : kernel_config_add(ret, spec->extra, buf_str(&text), text.len, true, err);
}

static char *result_path(const struct kernel_build_spec *spec, const struct kernel_plan *plan)
{
	const struct apt_package *source = &plan->source.items[0];
	struct digest *d = digest_new();
	char key[DIGEST_HEX_LEN];

	digest_add(d, RECIPE "\n", strlen(RECIPE "\n"));
	digest_add(d, source->sha256, strlen(source->sha256));
	digest_add(d, plan->compiler, strlen(plan->compiler));
	digest_add(d, buf_str(&plan->options), plan->options.len);
	digest_finish(d, key);
	return xasprintf("%s/kernels/" KERNEL_PACKAGE "_%s+%.12s_amd64.deb", spec->apt->cache, source->version, key);
}

int kernel_plan(const struct kernel_build_spec *spec, struct kernel_plan *ret, struct error *err)
{
	cleanup_kernel_plan struct kernel_plan plan = { .path = NULL };
	cleanup_kernel_config struct kernel_config config = { .count = 0 };
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_buf struct buf compiler = BUF_INIT;
	int r;

	strv_push(&names, spec->source);
	r = read_options(spec, &config, err);
	if (r == 0)
		r = check_host(err);
	if (r == 0)
		r = add_version("gcc", &compiler, err);
	if (r == 0)
		r = add_version("ld", &compiler, err);
	if (r == 0)
		r = apt_prepare(spec->apt, err);
	if (r == 0)
		r = apt_fetch(spec->apt, &names, &plan.source, err);
	if (r < 0)
		return r;
	kernel_config_write(&config, &plan.options);
	plan.compiler = buf_steal(&compiler);
	plan.path = result_path(spec, &plan);
	*ret = plan;
	plan = (struct kernel_plan){ .path = NULL };
	return 0;
}

static bool is_source_tar(const char *path, void *arg)
{
	(void)arg;
	return strncmp(path, "/usr/src/", 9) == 0 && strstr(path, ".tar");
}

static const struct deb_entry *find_source_tar(const struct deb *deb)
{
	for (size_t i = 0; i < deb->count; i++) {
		if (deb->entries[i].blob && is_source_tar(deb->entries[i].path, NULL))
			return &deb->entries[i];
	}
	return NULL;
}

static int unpack_tar(const struct build *b, const struct blob *tar, struct error *err)
{
	const char *const argv[] = {
		"tar", "-x", "-J", "--strip-components=1", "--no-same-owner", "-C", b->source, NULL
	};

	return proc_check(&(struct proc_spec){ .argv = argv,
					       .in = PROC_DATA,
					       .input = tar->data,
					       .input_len = tar->size,
					       .own_group = true,
					       .die_with_parent = true,
					       .timeout_ms = BUILD_TIMEOUT_MS },
			  err);
}

static bool is_unpacked(const struct build *b)
{
	cleanup_buf struct buf text = BUF_INIT;

	return file_read(b->stamp, 4096, &text, NULL) == 0 &&
	       strcmp(buf_str(&text), b->plan->source.items[0].sha256) == 0;
}

// The stamp goes before the old tree and comes after the new one, so it stands for a whole tree only.
static int unpack_source(struct build *b, struct error *err)
{
	const struct apt_package *package = &b->plan->source.items[0];
	const struct deb_entry *tar;
	struct deb deb;
	int r;

	if (is_unpacked(b))
		return 0;
	r = file_unlink(b->stamp, err);
	if (r == 0)
		r = file_remove_tree(b->source, err);
	if (r == 0)
		r = file_mkdirs(b->source, 0755, err);
	if (r < 0)
		return r;
	log_info("Unpacking %s %s", package->name, package->version);
	r = deb_read(package->path, is_source_tar, NULL, &deb, err);
	if (r < 0)
		return r;
	tar = find_source_tar(&deb);
	r = tar ? unpack_tar(b, tar->blob, err) : error_say(err, ENOENT, "%s has no /usr/src/*.tar*", package->name);
	deb_done(&deb);
	return r < 0 ? r : file_replace_text(b->stamp, package->sha256, 0644, err);
}

static int read_epoch(struct build *b, struct error *err)
{
	cleanup_free char *makefile = path_join(b->source, "Makefile");
	struct stat st;

	if (stat(makefile, &st) < 0)
		return error_set(err, errno, "find the source's age by %s", makefile);
	b->epoch = st.st_mtime;
	return 0;
}

// Nothing of the caller's environment but the path to programs reaches the build: CFLAGS or MAKEFLAGS would change it.
static void make_environment(const struct build *b, struct strv *ret)
{
	const char *path = getenv("PATH");
	time_t epoch = (time_t)b->epoch;
	char date[64];
	struct tm tm;

	gmtime_r(&epoch, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S UTC %Y", &tm);
	strv_pushf(ret, "PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	strv_pushf(ret, "KBUILD_BUILD_TIMESTAMP=%s", date);
	strv_push_all(ret, (const char *const[]){ "LC_ALL=C", "TZ=UTC", "ARCH=x86_64", "KBUILD_BUILD_USER=build",
						  "KBUILD_BUILD_HOST=boot2docker", "KBUILD_BUILD_VERSION=1", NULL });
}

// The first line of the log that tells why: a compiler's error, else make's.
static void find_reason(const struct build *b, struct buf *ret)
{
	static const char *const words[] = { "rror: ", "*** ", "not found" };
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(b->log_path, LOG_MAX, &text, NULL) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *at = strstr(buf_str(&text), words[i]);

		if (!at)
			continue;
		while (at > text.data && at[-1] != '\n')
			at--;
		buf_printf(ret, "%.*s", (int)strcspn(at, "\n"), at);
		return;
	}
}

static int run_make(const struct build *b, const char *const *targets, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT, env = STRV_INIT;
	cleanup_buf struct buf reason = BUF_INIT;
	int r;

	strv_push_all(&argv, (const char *const[]){ "make", "-C", b->source, NULL });
	strv_pushf(&argv, "-j%d", b->spec->jobs);
	strv_push_all(&argv, targets);
	make_environment(b, &env);
	r = proc_run(&(struct proc_spec){ .argv = (const char *const *)strv_argv(&argv),
					  .env = (const char *const *)strv_argv(&env),
					  .out = PROC_FD,
					  .out_fd = b->log,
					  .errs = PROC_FD,
					  .err_fd = b->log,
					  .own_group = true,
					  .die_with_parent = true,
					  .timeout_ms = BUILD_TIMEOUT_MS },
		     err);
	if (r <= 0)
		return r;
	find_reason(b, &reason);
	return error_say(err, EIO, "building the kernel failed: %s (the whole log: %s)",
			 reason.len > 0 ? reason.data : "make said no reason", b->log_path);
}

static int configure(struct build *b, struct error *err)
{
	cleanup_free char *fragment = path_join(b->work, "options.config");
	cleanup_free char *given = xasprintf("KCONFIG_ALLCONFIG=%s", fragment);
	cleanup_free char *made = path_join(b->source, ".config");
	cleanup_kernel_config struct kernel_config config = { .count = 0 };
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	r = file_replace(fragment, buf_str(&b->plan->options), b->plan->options.len, 0644, err);
	if (r == 0)
		r = run_make(b, (const char *const[]){ "allnoconfig", given, NULL }, err);
	if (r == 0)
		r = file_read(made, CONFIG_MAX, &text, err);
	if (r == 0)
		r = read_options(b->spec, &config, err); // again, for the places in error messages
	return r < 0 ? r : kernel_config_check(&config, buf_str(&text), text.len, err);
}

static int compile(struct build *b, struct error *err)
{
	int64_t start = clock_ms();
	int r;

	log_info("Building the kernel with %d jobs; up to an hour on two processors", b->spec->jobs);
	r = run_make(b, (const char *const[]){ "bzImage", "modules", SMALL_MODULES, NULL }, err);
	if (r == 0)
		log_info("Built in %lld minutes", (long long)(clock_ms() - start) / 60000);
	return r;
}

static int install_file(const struct build *b, const char *from, const char *to, const char *release, struct error *err)
{
	cleanup_free char *source = path_join(b->source, from);
	cleanup_free char *target = xasprintf("%s/boot/%s-%s", b->install, to, release);

	return file_copy(source, target, 0644, err);
}

// depmod is left to those who choose among the modules.
static int install(struct build *b, struct error *err)
{
	cleanup_free char *release_path = path_join(b->source, "include/config/kernel.release");
	cleanup_free char *modules = xasprintf("INSTALL_MOD_PATH=%s/usr", b->install);
	cleanup_free char *boot = path_join(b->install, "boot");
	cleanup_buf struct buf release = BUF_INIT;
	int r;

	r = file_mkdirs(boot, 0755, err);
	if (r == 0)
		r = run_make(
			b,
			(const char *const[]){ "modules_install", modules, "INSTALL_MOD_STRIP=1", "DEPMOD=true", NULL },
			err);
	if (r == 0)
		r = file_read(release_path, 256, &release, err);
	if (r < 0)
		return r;
	buf_trim_end(&release);
	r = install_file(b, "arch/x86/boot/bzImage", "vmlinuz", release.data, err);
	if (r == 0)
		r = install_file(b, ".config", "config", release.data, err);
	return r;
}

static int pack(struct build *b, struct error *err)
{
	const struct kernel_package_spec spec = { .root = b->install,
						  .name = KERNEL_PACKAGE,
						  .version = b->plan->source.items[0].version,
						  .epoch = b->epoch };

	return kernel_package_write(&spec, b->plan->path, err);
}

static int run_stages(struct build *b, struct error *err)
{
	static int (*const stages[])(struct build *, struct error *) = { unpack_source, read_epoch, configure,
									 compile,       install,    pack };

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = stages[i](b, err);

		if (r < 0)
			return r;
	}
	return 0;
}

// A build that was killed could not remove its folder. There is no other build: we have the lock.
static void remove_left_over(const struct build *b)
{
	cleanup_free char *folder = xasprintf("%s/kernels", b->spec->apt->cache);
	cleanup_strv struct strv names = STRV_INIT;
	struct error err = ERROR_INIT;

	file_list(folder, &names);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = path_join(folder, names.items[i]);

		if (strncmp(names.items[i], "build-", 6) == 0 && file_remove_tree(path, &err) < 0)
			log_warn("%s", err.msg);
	}
}

static int make_work_folder(struct build *b, struct error *err)
{
	remove_left_over(b);
	if (b->spec->work) {
		b->work = xstrdup(b->spec->work);
		return file_mkdirs(b->work, 0755, err);
	}
	b->work = xasprintf("%s/kernels/build-XXXXXX", b->spec->apt->cache);
	if (!mkdtemp(b->work)) {
		free(take_ptr(b->work));
		return error_set(err, errno, "make a folder in %s/kernels", b->spec->apt->cache);
	}
	return 0;
}

static int prepare(struct build *b, struct error *err)
{
	int r = make_work_folder(b, err);

	if (r < 0)
		return r;
	b->source = path_join(b->work, "source");
	b->install = path_join(b->work, "install");
	b->stamp = path_join(b->work, "source.sha256");
	b->log_path = xasprintf("%s/kernels/build.log", b->spec->apt->cache);
	b->log = open(b->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (b->log < 0)
		return error_set(err, errno, "make %s", b->log_path);
	return file_remove_tree(b->install, err);
}

static void build_done(struct build *b)
{
	struct error err = ERROR_INIT;

	if (b->work && !b->spec->work && file_remove_tree(b->work, &err) < 0)
		log_warn("%s", err.msg);
	if (b->log >= 0)
		close(b->log);
	free(b->work);
	free(b->source);
	free(b->install);
	free(b->stamp);
	free(b->log_path);
}

static int build_new(const struct kernel_build_spec *spec, const struct kernel_plan *plan, struct error *err)
{
	struct build b = { .spec = spec, .plan = plan, .log = -1 };
	int r = prepare(&b, err);

	if (r == 0)
		r = run_stages(&b, err);
	build_done(&b);
	return r;
}

static int order_by_name(const void *a, const void *b)
{
	return strcmp(((const struct apt_package *)a)->name, ((const struct apt_package *)b)->name);
}

static int add_to_set(const struct kernel_plan *plan, struct apt_set *set, struct error *err)
{
	struct apt_package package = { .name = NULL };
	int r = digest_file(plan->path, package.sha256, err);

	if (r < 0)
		return r;
	package.name = xstrdup(KERNEL_PACKAGE);
	package.version = xstrdup(plan->source.items[0].version);
	package.path = xstrdup(plan->path);
	set->items = xreallocarray(set->items, set->count + 1, sizeof(*set->items));
	set->items[set->count++] = package;
	qsort(set->items, set->count, sizeof(*set->items), order_by_name);
	return 0;
}

int kernel_build(const struct kernel_build_spec *spec, const struct kernel_plan *plan, struct apt_set *set,
		 struct error *err)
{
	cleanup_free char *folder = xasprintf("%s/kernels", spec->apt->cache);
	cleanup_close int lock = -1;
	int r = cache_lock(folder, &lock, err);

	if (r == 0 && !file_exists(plan->path))
		r = build_new(spec, plan, err);
	return r < 0 ? r : add_to_set(plan, set, err);
}
