// SPDX-License-Identifier: Apache-2.0
// The private apt root and what is asked of it.
//
// Theory of operation
// CACHE/apt/ holds apt.conf (the host's Acquire settings, and every folder pointed below CACHE/apt), sources.list (the
// host's Debian mirrors or the given one, with the wanted suite), lists/ and an empty dpkg status. All runs of apt have
// APT_CONFIG set to that file, whose Dir::Etc settings keep apt from reading anything of the host's. CACHE/debs/ holds the
// packages under the names that apt gives them. `apt-get --print-uris download` tells each candidate's name and SHA-256
// out of the signed lists without the network; what is there is checked against it, and only the rest is fetched, into a
// folder of its own, checked, and then renamed into place. A file in CACHE/debs/ is thus whole, or damaged by someone else,
// and then it is noticed and fetched again.

#include "image/apt.h"

#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define LISTS_FRESH_SECONDS (24 * 60 * 60)
#define APT_TIMEOUT_MS (30 * 60 * 1000)

static char *apt_path(const struct apt_spec *spec, const char *name)
{
	return xasprintf("%s/apt/%s", spec->cache, name);
}

// Runs apt in the private root; its standard error's `E:` line becomes the error.
static int run_apt(const struct apt_spec *spec, const char *const *argv, const char *cwd, struct buf *out,
		   struct error *err)
{
	cleanup_free char *config = apt_path(spec, "apt.conf");
	cleanup_strv struct strv env = STRV_INIT;
	cleanup_buf struct buf errors = BUF_INIT;
	const char *reason;
	int r;

	for (char *const *e = environ; *e; e++) {
		if (strncmp(*e, "APT_CONFIG=", 11) != 0 && strncmp(*e, "LC_ALL=", 7) != 0)
			strv_push(&env, *e);
	}
	strv_pushf(&env, "APT_CONFIG=%s", config);
	strv_push(&env, "LC_ALL=C");
	r = proc_run(&(struct proc_spec){ .argv = argv,
					  .env = (const char *const *)strv_argv(&env),
					  .cwd = cwd,
					  .out = out ? PROC_CAPTURE : PROC_NULL,
					  .out_buf = out,
					  .errs = PROC_CAPTURE,
					  .err_buf = &errors,
					  .timeout_ms = APT_TIMEOUT_MS,
					  .die_with_parent = true },
		     err);
	if (r <= 0)
		return r;
	buf_trim_end(&errors);
	reason = strstr(buf_str(&errors), "E: ");
	reason = reason ? reason + 3 : buf_str(&errors);
	return error_say(err, EIO, "%.*s", (int)strcspn(reason, "\n"), reason);
}

// Adds what to do to an error of apt's, by the words it uses.
static int explain(const struct apt_spec *spec, struct error *err)
{
	static const struct {
		const char *word;
		const char *advice;
	} table[] = {
		{ "No space left", "free some space, or give another folder with --cache" },
		{ "does not have a Release file", "does the mirror have this suite? See --suite and --mirror" },
		{ "404  Not Found",
		  "the mirror has changed or lacks it; run again with --update, see --suite and --mirror" },
		{ "Temporary failure resolving", "no network? Check the connection, the proxy, or give --mirror" },
		{ "Could not resolve", "no network? Check the connection, the proxy, or give --mirror" },
		{ "Could not connect", "no network? Check the connection, the proxy, or give --mirror" },
		{ "connection timed out", "no network? Check the connection, the proxy, or give --mirror" },
		{ "is not signed",
		  "the signature could not be verified; is the package debian-archive-keyring up to date?" },
		{ "NO_PUBKEY",
		  "the signature could not be verified; is the package debian-archive-keyring up to date?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcasestr(err->msg, table[i].word))
			return error_say(err, err->code, "%s (%s)", err->msg, table[i].advice);
	}
	return error_wrap(err, "apt for suite %s", spec->suite);
}

// The host's settings for fetching: proxies, retries, timeouts. Nothing else of its configuration is taken over.
static int host_acquire_settings(struct buf *ret, struct error *err)
{
	cleanup_buf struct buf dump = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	int r;

	r = proc_output((const char *const[]){ "apt-config", "dump", NULL }, &dump, err);
	if (r < 0)
		return error_wrap(err, "install the package apt (on any Debian or Ubuntu)");
	strv_split(&lines, buf_str(&dump), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];

		if (strncasecmp(line, "Acquire::", 9) != 0 || strncasecmp(line, "Acquire::IndexTargets", 21) == 0 ||
		    strncasecmp(line, "Acquire::Allow", 14) == 0 || strncasecmp(line, "Acquire::cdrom", 14) == 0)
			continue;
		buf_printf(ret, "%s\n", line);
	}
	return 0;
}

static int write_config(const struct apt_spec *spec, struct error *err)
{
	cleanup_free char *root = apt_path(spec, "");
	cleanup_free char *path = apt_path(spec, "apt.conf");
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	r = host_acquire_settings(&text, err);
	if (r < 0)
		return r;
	buf_printf(&text,
		   "Dir::State \"%s\";\nDir::State::lists \"%slists\";\nDir::State::status \"%sstatus\";\n"
		   "Dir::Cache \"%scache\";\nDir::Log \"%slog\";\nDir::Etc \"%setc\";\n"
		   "Dir::Etc::sourcelist \"%ssources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n"
		   "Dir::Etc::parts \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n"
		   "APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\nAPT::Sandbox::User \"\";\n"
		   "APT::Update::Error-Mode \"any\";\nAcquire::Languages \"none\";\nAcquire::Retries \"2\";\n",
		   root, root, root, root, root, root, root);
	return file_replace(path, text.data, text.len, 0644, err);
}

static void add_source(const struct apt_spec *spec, const char *url, const char *suffix, struct buf *ret)
{
	buf_printf(ret, "deb [arch=amd64 signed-by=%s] %s %s%s main\n", spec->keyring ? spec->keyring : KEYRING, url,
		   spec->suite, suffix);
}

// What follows the code name in a release: "bookworm-updates" -> "-updates". Backports and others are not wanted: NULL.
static const char *wanted_suffix(const char *release)
{
	static const char *const wanted[] = { "", "-updates", "-security" };
	const char *suffix = release + strcspn(release, "-");

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (strcmp(suffix, wanted[i]) == 0)
			return wanted[i];
	}
	return NULL;
}

// The host's own Debian mirrors, each with the wanted suite in place of the host's.
static int host_sources(const struct apt_spec *spec, struct buf *ret, struct error *err)
{
	static const char *const argv[] = { "apt-get",
					    "indextargets",
					    "--format",
					    "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)",
					    "Created-By: Packages",
					    NULL };
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	int r;

	r = proc_output(argv, &out, err);
	if (r < 0)
		return error_wrap(err, "asking the host's apt for its mirrors");
	strv_split(&lines, buf_str(&out), "\n");
	strv_sort(&lines);
	for (size_t i = 0; i < lines.count; i++) {
		cleanup_strv struct strv words = STRV_INIT;
		const char *suffix;

		strv_split(&words, lines.items[i], " ");
		if (words.count != 4 || strcmp(words.items[0], "Debian") != 0 || strcmp(words.items[3], "main") != 0)
			continue;
		suffix = wanted_suffix(words.items[2]);
		if (suffix)
			add_source(spec, words.items[1], suffix, ret);
	}
	if (ret->len == 0)
		return error_say(
			err, ENOENT,
			"the host's apt knows no Debian mirror; name one with --mirror URL (or run apt-get update)");
	return 0;
}

static int make_sources(const struct apt_spec *spec, struct buf *ret, struct error *err)
{
	size_t len;

	if (!spec->mirror)
		return host_sources(spec, ret, err);
	len = strlen(spec->mirror);
	while (len > 0 && spec->mirror[len - 1] == '/')
		len--;
	add_source(spec, spec->mirror, "", ret);
	if (spec->security_mirror && strcmp(spec->security_mirror, "none") == 0)
		return 0;
	add_source(spec, spec->mirror, "-updates", ret);
	if (spec->security_mirror) {
		add_source(spec, spec->security_mirror, "-security", ret);
	} else {
		cleanup_free char *url = xasprintf("%.*s-security", (int)len, spec->mirror);

		add_source(spec, url, "-security", ret);
	}
	return 0;
}

static bool is_same_text(const char *path, const struct buf *text)
{
	cleanup_buf struct buf old = BUF_INIT;

	return file_read(path, 1 << 20, &old, NULL) == 0 && strcmp(buf_str(&old), buf_str(text)) == 0;
}

static bool is_fresh(const char *stamp)
{
	struct stat st;

	return stat(stamp, &st) == 0 && st.st_mtime <= time(NULL) && time(NULL) - st.st_mtime < LISTS_FRESH_SECONDS;
}

static int make_root(const struct apt_spec *spec, struct error *err)
{
	static const char *const folders[] = { "apt/lists/partial", "apt/cache/archives/partial", "apt/etc", "apt/log",
					       "debs" };
	cleanup_free char *status = apt_path(spec, "status");
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
		cleanup_free char *path = path_join(spec->cache, folders[i]);

		r = file_mkdirs(path, 0755, err);
	}
	if (r == 0)
		r = write_config(spec, err);
	if (r == 0)
		r = file_replace_text(status, "", 0644, err);
	return r;
}

// Fetches the lists. The stamp is removed first and made last, so it stands only for complete lists of these sources.
static int update_lists(const struct apt_spec *spec, const char *stamp, struct error *err)
{
	static const char *const argv[] = { "apt-get", "-qq", "update", NULL };
	int r;

	log_info("Refreshing the package lists of Debian %s", spec->suite);
	r = run_apt(spec, argv, NULL, NULL, err);
	if (r < 0)
		return explain(spec, err);
	return file_replace_text(stamp, "", 0644, err);
}

int apt_prepare(const struct apt_spec *spec, struct error *err)
{
	cleanup_free char *sources_path = apt_path(spec, "sources.list");
	cleanup_free char *stamp = apt_path(spec, "lists.stamp");
	const char *keyring = spec->keyring ? spec->keyring : KEYRING;
	cleanup_buf struct buf sources = BUF_INIT;
	bool is_known;
	int r;

	if (!file_exists(keyring))
		return error_say(err, ENOENT, "%s is missing; install the package debian-archive-keyring", keyring);
	r = make_root(spec, err);
	if (r == 0)
		r = make_sources(spec, &sources, err);
	if (r < 0)
		return r;
	is_known = is_same_text(sources_path, &sources) && file_exists(stamp);
	if (is_known && is_fresh(stamp) && !spec->update)
		return 0;
	if (!is_known) {
		r = file_unlink(stamp, err);
		if (r == 0)
			r = file_replace(sources_path, sources.data, sources.len, 0644, err);
		if (r < 0)
			return r;
	}
	r = update_lists(spec, stamp, err);
	if (r < 0 && is_known && !spec->update) {
		log_warn("the package lists could not be refreshed, the old ones serve: %s", err->msg);
		error_clear(err);
		return 0;
	}
	return r;
}

int apt_resolve_meta(const struct apt_spec *spec, const char *package, char **ret, struct error *err)
{
	const char *const argv[] = { "apt-cache", "show", "--no-all-versions", package, NULL };
	size_t stem = strcspn(package, "0123456789");
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_strv struct strv words = STRV_INIT;
	const char *depends;
	int r;

	r = run_apt(spec, argv, NULL, &out, err);
	if (r < 0)
		return error_say(err, ENOENT, "package %s is not in Debian %s", package, spec->suite);
	if (strrchr(package, '-'))
		stem = strlen(package) - strlen(strrchr(package, '-')) + 1; // "linux-image-"
	depends = strstr(buf_str(&out), "\nDepends: ");
	if (depends) {
		cleanup_free char *line = xstrndup(depends + 10, strcspn(depends + 10, "\n"));

		strv_split(&words, line, " ,|");
	}
	for (size_t i = 0; i < words.count; i++) {
		if (strncmp(words.items[i], package, stem) == 0) {
			*ret = xstrdup(words.items[i]);
			return 0;
		}
	}
	*ret = xstrdup(package);
	return 0;
}

static int not_all_there(const struct apt_spec *spec, const struct strv *names, struct error *err)
{
	cleanup_buf struct buf list = BUF_INIT;

	for (size_t i = 0; i < names->count; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", names->items[i]);
	return error_say(err, ENOENT, "not all of these packages are in Debian %s: %s", spec->suite, buf_str(&list));
}

int apt_libraries(const struct apt_spec *spec, const struct strv *names, struct strv *ret, struct error *err)
{
	static const char *const start[] = { "apt-cache",
					     "depends",
					     "--recurse",
					     "--no-recommends",
					     "--no-suggests",
					     "--no-conflicts",
					     "--no-breaks",
					     "--no-replaces",
					     "--no-enhances",
					     "-i",
					     NULL };
	cleanup_strv struct strv argv = STRV_INIT, lines = STRV_INIT;
	cleanup_buf struct buf out = BUF_INIT;
	int r;

	strv_push_all(&argv, start);
	strv_push_all(&argv, (const char *const *)names->items);
	r = run_apt(spec, (const char *const *)strv_argv(&argv), NULL, &out, err);
	if (r < 0)
		return not_all_there(spec, names, err);
	strv_split(&lines, buf_str(&out), "\n");
	for (size_t i = 0; i < lines.count; i++) { // a package's own line is not indented
		bool is_library = strncmp(lines.items[i], "lib", 3) == 0 || strcmp(lines.items[i], "zlib1g") == 0;

		if (is_library && !strchr(lines.items[i], ':'))
			strv_push(ret, lines.items[i]);
	}
	return 0;
}

void apt_names_like(const struct apt_spec *spec, const char *prefix, struct strv *ret)
{
	const char *const argv[] = { "apt-cache", "pkgnames", prefix, NULL };
	cleanup_buf struct buf out = BUF_INIT;

	if (run_apt(spec, argv, NULL, &out, NULL) == 0)
		strv_split(ret, buf_str(&out), "\n");
	strv_sort(ret);
}

void apt_set_done(struct apt_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->items[i].name);
		free(set->items[i].version);
		free(set->items[i].path);
	}
	free(set->items);
	*set = (struct apt_set){ .count = 0 };
}

const struct apt_package *apt_set_find(const struct apt_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	}
	return NULL;
}

static int order_by_name(const void *a, const void *b)
{
	return strcmp(((const struct apt_package *)a)->name, ((const struct apt_package *)b)->name);
}

// A line of --print-uris: 'URL' NAME_VERSION_ARCH.deb SIZE SHA256:HEX. The version has %3a for its colon.
static int parse_uri_line(const char *cache, const char *line, struct apt_package *ret, struct error *err)
{
	cleanup_strv struct strv words = STRV_INIT, parts = STRV_INIT;
	const char *hash, *colon;

	strv_split(&words, line, " ");
	if (words.count < 4)
		return error_say(err, EINVAL, "apt-get --print-uris gave \"%s\", which is not understood", line);
	hash = words.items[3];
	strv_split(&parts, words.items[1], "_");
	if (parts.count != 3 || !path_is_component(words.items[1]) || strncmp(hash, "SHA256:", 7) != 0 ||
	    strlen(hash) != 7 + 64)
		return error_say(err, EINVAL, "apt-get --print-uris gave \"%s\", which is not understood", line);
	colon = strstr(parts.items[1], "%3a");
	ret->name = xstrdup(parts.items[0]);
	ret->version = colon ? xasprintf("%.*s:%s", (int)(colon - parts.items[1]), parts.items[1], colon + 3)
			     : xstrdup(parts.items[1]);
	ret->path = xasprintf("%s/debs/%s", cache, words.items[1]);
	snprintf(ret->sha256, sizeof(ret->sha256), "%s", hash + 7);
	return 0;
}

// A folder below CACHE for one run; removed by the caller.
static int make_scratch(const struct apt_spec *spec, char **ret, struct error *err)
{
	char *path = xasprintf("%s/fetch-XXXXXX", spec->cache);

	if (!mkdtemp(path)) {
		int r = error_set(err, errno, "make a folder in %s", spec->cache);

		free(path);
		return r;
	}
	*ret = path;
	return 0;
}

static int list_candidates(const struct apt_spec *spec, const struct strv *names, const char *scratch,
			   struct apt_set *set, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT, lines = STRV_INIT;
	cleanup_buf struct buf out = BUF_INIT;
	int r;

	strv_push_all(&argv, (const char *const[]){ "apt-get", "-qq", "--print-uris", "download", NULL });
	for (size_t i = 0; i < names->count; i++)
		strv_push(&argv, names->items[i]);
	r = run_apt(spec, (const char *const *)strv_argv(&argv), scratch, &out, err);
	if (r < 0) {
		const char *name = strstr(err->msg, "locate package ");

		if (name)
			return error_say(
				err, ENOENT,
				"package %s is not in Debian %s (renamed? gone? then change the slice that names it)",
				name + strlen("locate package "), spec->suite);
		return explain(spec, err);
	}
	strv_split(&lines, buf_str(&out), "\n");
	set->items = xcalloc(lines.count + 1, sizeof(*set->items));
	for (size_t i = 0; i < lines.count; i++) {
		r = parse_uri_line(spec->cache, lines.items[i], &set->items[set->count], err);
		if (r < 0)
			return r;
		set->count++;
	}
	qsort(set->items, set->count, sizeof(*set->items), order_by_name);
	return 0;
}

static bool is_good(const struct apt_package *p, const char *path)
{
	char hex[DIGEST_HEX_LEN];

	return digest_file(path, hex, NULL) == 0 && strcmp(hex, p->sha256) == 0;
}

static void find_missing(const struct apt_set *set, struct strv *ret)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct apt_package *p = &set->items[i];

		if (file_exists(p->path)) {
			if (is_good(p, p->path))
				continue;
			log_warn("%s is damaged; it is fetched again", p->path);
		}
		strv_push(ret, p->name);
	}
}

static int take_download(const struct apt_package *p, const char *scratch, struct error *err)
{
	cleanup_free char *path = path_join(scratch, path_base(p->path));

	if (!is_good(p, path))
		return error_say(err, EIO,
				 "%s was downloaded with the wrong content; run again, or choose another --mirror",
				 path_base(p->path));
	if (rename(path, p->path) < 0)
		return error_set(err, errno, "move %s to %s", path, p->path);
	return 0;
}

static int download(const struct apt_spec *spec, const struct apt_set *set, const struct strv *missing,
		    const char *scratch, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	int r;

	log_info("Downloading %zu package%s", missing->count, missing->count == 1 ? "" : "s");
	strv_push_all(&argv, (const char *const[]){ "apt-get", "-qq", "download", NULL });
	for (size_t i = 0; i < missing->count; i++)
		strv_push(&argv, missing->items[i]);
	r = run_apt(spec, (const char *const *)strv_argv(&argv), scratch, NULL, err);
	if (r < 0)
		return explain(spec, err);
	for (size_t i = 0; r == 0 && i < missing->count; i++)
		r = take_download(apt_set_find(set, missing->items[i]), scratch, err);
	return r;
}

int apt_fetch(const struct apt_spec *spec, const struct strv *names, struct apt_set *ret, struct error *err)
{
	cleanup_strv struct strv missing = STRV_INIT;
	cleanup_free char *scratch = NULL;
	struct apt_set set = { .count = 0 };
	int r;

	r = make_scratch(spec, &scratch, err);
	if (r < 0)
		return r;
	r = list_candidates(spec, names, scratch, &set, err);
	if (r == 0)
		find_missing(&set, &missing);
	if (r == 0 && missing.count > 0)
		r = download(spec, &set, &missing, scratch, err);
	if (file_remove_tree(scratch, NULL) < 0)
		log_warn("%s could not be removed", scratch);
	if (r < 0)
		apt_set_done(&set);
	else
		*ret = set;
	return r;
}
