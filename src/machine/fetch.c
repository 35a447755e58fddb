// SPDX-License-Identifier: Apache-2.0
// Files from the web; see fetch.h.
//
// Theory of operation. libcurl is loaded when something is to be fetched, not before: with all that it brings, loading it
// takes longer than all of `env`, which runs in every new shell.
//
// A transfer goes into PATH.part. Beside it lies PATH.part.tag with what the server calls this version of the file (its
// ETag, or its date). When the transfer is interrupted both stay, and the next one asks for the rest of that version
// (Range, If-Range): a server that has another one by now, or knows no ranges, sends the whole, and the part is emptied.
// At the end the part is checked, becomes PATH, and its tag PATH.tag, with which the next call asks whether there is
// anything new (If-None-Match, If-Modified-Since).
#include "fetch.h"

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"
#include "progress.h"
#include "run.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { TAG_MAX = 512, DIGEST_TEXT_MAX = 4096, RELEASES_MAX = 8 << 20 };
enum { CONNECT_TIMEOUT_S = 30, STALL_TIMEOUT_S = 60, REDIRECTS_MAX = 10, TEXT_TIMEOUT_S = 60 };
static const long long FILE_MAX = 4LL << 30;

// The functions of libcurl that are used.
struct curl_api {
	__typeof__(curl_easy_init) *init;
	__typeof__(curl_easy_cleanup) *cleanup;
	__typeof__((curl_easy_setopt)) *setopt;
	__typeof__((curl_easy_getinfo)) *getinfo;
	__typeof__(curl_easy_perform) *perform;
	__typeof__(curl_easy_strerror) *strerror;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
};

static int load_api(struct curl_api *ret, struct error *err)
{
	static const char *const libraries[] = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib" };
	static const char *const names[] = { "curl_easy_init",    "curl_easy_cleanup",  "curl_easy_setopt",
					     "curl_easy_getinfo", "curl_easy_perform",  "curl_easy_strerror",
					     "curl_slist_append", "curl_slist_free_all" };
	void *found[ARRAY_SIZE(names)];
	void *library = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(libraries) && !library; i++)
		library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_say(err, ENOENT, "fetching from the web needs libcurl: install it (Debian: libcurl4)");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!(found[i] = dlsym(library, names[i])))
			return error_say(err, ENOSYS, "this libcurl has no %s: install a newer one", names[i]);
	_Static_assert(sizeof(found) == sizeof(*ret), "one name for each function");
	memcpy(ret, found, sizeof(found));
	return 0;
}

struct transfer {
	struct curl_api api;
	CURL *curl;
	struct curl_slist *headers;
	struct progress progress;
	char tag[TAG_MAX]; // what the server calls this version
	long status;
	// Where the bytes go: into a file, or a text.
	int fd;
	const char *path;
	long long had; // bytes of an earlier transfer
	bool started;
	struct buf *text;
	size_t text_max;
	struct error *err; // why our own part of it failed
};

static void transfer_done(struct transfer *t)
{
	if (t->headers)
		t->api.slist_free_all(t->headers);
	if (t->curl)
		t->api.cleanup(t->curl);
}

static void add_header(struct transfer *t, const char *name, const char *value)
{
	cleanup_free char *line = xasprintf("%s: %s", name, value);

	t->headers = t->api.slist_append(t->headers, line);
}

// The value of a header line when it has that name, without white space around it.
static bool take_header(const char *line, size_t len, const char *name, char ret[TAG_MAX])
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return false;
	line += name_len + 1;
	len -= name_len + 1;
	while (len && isspace((unsigned char)*line))
		line++, len--;
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	if (!len || len >= TAG_MAX)
		return false;
	memcpy(ret, line, len);
	ret[len] = '\0';
	return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;
	char tag[TAG_MAX];

	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) // of the answer after a redirection
		t->tag[0] = '\0';
	// A weak ETag does not promise the same bytes.
	if ((take_header(line, len, "ETag", tag) && *tag == '"') ||
	    (!*t->tag && take_header(line, len, "Last-Modified", tag)))
		memcpy(t->tag, tag, sizeof(tag));
	return len;
}

// The first bytes of an answer: where they belong.
static int begin_file(struct transfer *t)
{
	t->started = true;
	t->api.getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	if (t->status != 206)
		t->had = 0;
	if (ftruncate(t->fd, t->had) < 0 || lseek(t->fd, t->had, SEEK_SET) < 0)
		return error_set(t->err, errno, "write %s", t->path);
	cleanup_free char *tag = xasprintf("%s.tag", t->path);
	return *t->tag ? file_replace_text(tag, t->tag, 0644, t->err) : file_unlink(tag, t->err);
}

static size_t on_file_data(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;

	if (!t->started && begin_file(t) < 0)
		return 0;
	return file_write_fd(t->fd, t->path, data, len, t->err) < 0 ? 0 : len;
}

static size_t on_text_data(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;

	if (t->text->len + len > t->text_max) {
		error_say(t->err, EFBIG, "more than %zu bytes", t->text_max);
		return 0;
	}
	buf_add(t->text, data, len);
	return len;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t uploaded)
{
	struct transfer *t = arg;

	(void)upload_total;
	(void)uploaded;
	if (now + t->had > FILE_MAX)
		return error_say(t->err, EFBIG, "more than %lld bytes", FILE_MAX);
	if (!t->text && t->started)
		progress_show(&t->progress, t->had + now, total ? t->had + total : 0);
	return interrupt_check(t->err);
}

static int prepare(struct transfer *t, const char *url, struct error *err)
{
	int r = load_api(&t->api, err);

	if (r < 0)
		return r;
	t->err = err;
	t->curl = t->api.init();
	if (!t->curl)
		return error_say(err, ENOMEM, "libcurl does not start");
	t->api.setopt(t->curl, CURLOPT_URL, url);
	t->api.setopt(t->curl, CURLOPT_USERAGENT, "boot2docker");
	t->api.setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	t->api.setopt(t->curl, CURLOPT_FAILONERROR, 1L);
	t->api.setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
	t->api.setopt(t->curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	t->api.setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	t->api.setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, strncmp(url, "https:", 6) == 0 ? "https" : "http,https");
	t->api.setopt(t->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	t->api.setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	t->api.setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
	t->api.setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
	t->api.setopt(t->curl, CURLOPT_HEADERDATA, t);
	t->api.setopt(t->curl, CURLOPT_WRITEFUNCTION, t->text ? on_text_data : on_file_data);
	t->api.setopt(t->curl, CURLOPT_WRITEDATA, t);
	t->api.setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
	t->api.setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	t->api.setopt(t->curl, CURLOPT_XFERINFODATA, t);
	if (t->text)
		t->api.setopt(t->curl, CURLOPT_TIMEOUT, (long)TEXT_TIMEOUT_S);
	return 0;
}

static int perform(struct transfer *t, const char *url, struct error *err)
{
	if (t->headers)
		t->api.setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
	CURLcode code = t->api.perform(t->curl);
	t->api.getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	if (code == CURLE_OK)
		return 0;
	if (err && err->code)
		return error_wrap(err, "fetch %s", url);
	if (code == CURLE_HTTP_RETURNED_ERROR)
		return error_say(err, t->status == 404 || t->status == 410 ? ENOENT : EREMOTEIO,
				 "fetch %s: the server answers with status %ld", url, t->status);
	return error_say(err, EIO, "fetch %s: %s", url, t->api.strerror(code));
}

bool fetch_is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

int fetch_text(const char *url, size_t max, struct buf *ret, struct error *err)
{
	CLEANUP(transfer_done) struct transfer t = { .fd = -1, .text = ret, .text_max = max };
	struct error own = ERROR_INIT;
	int r = prepare(&t, url, &own);

	if (r == 0)
		r = perform(&t, url, &own);
	return r < 0 ? error_say(err, own.code, "%s", own.msg) : 0;
}

// --- digests ---

int fetch_parse_digest(const char *text, char ret_hex[65], struct error *err)
{
	size_t len = strspn(text, "0123456789abcdefABCDEF");

	if (len != 64 || (text[len] && !isspace((unsigned char)text[len])))
		return error_say(err, EBADMSG, "it does not begin with a SHA-256 digest");
	for (size_t i = 0; i < len; i++)
		ret_hex[i] = (char)tolower((unsigned char)text[i]);
	ret_hex[len] = '\0';
	return 0;
}

static int check_digest(const char *text, const char *digest, const char *what, struct error *err)
{
	char expected[DIGEST_HEX_LEN];

	if (fetch_parse_digest(text, expected, err) < 0)
		return error_wrap(err, "%s.sha256", what);
	if (strcmp(expected, digest) != 0)
		return error_say(err, EBADMSG, "%s is damaged, or another: its SHA-256 is %s, but %s.sha256 has %s",
				 what, digest, path_base(what), expected);
	return 0;
}

int fetch_check_beside(const char *path, const char *digest, struct error *err)
{
	cleanup_free char *beside = xasprintf("%s.sha256", path);
	cleanup_buf struct buf text = BUF_INIT;

	if (!file_exists(beside))
		return 0;
	int r = file_read(beside, DIGEST_TEXT_MAX, &text, err);
	return r < 0 ? r : check_digest(buf_str(&text), digest, path, err);
}

static int check_remote_digest(const char *url, const char *part, struct error *err)
{
	cleanup_free char *beside = xasprintf("%s.sha256", url);
	cleanup_buf struct buf text = BUF_INIT;
	char digest[DIGEST_HEX_LEN];
	struct error why = ERROR_INIT;

	int r = fetch_text(beside, DIGEST_TEXT_MAX, &text, &why);
	if (r < 0) {
		// Without one there is nothing to check; one that cannot be had now is another matter.
		if (r == -ENOENT) {
			log_debug("%s: there is none", beside);
			return 0;
		}
		return error_say(err, why.code, "%s", why.msg);
	}
	r = digest_file(part, digest, err);
	return r < 0 ? r : check_digest(buf_str(&text), digest, url, err);
}

// --- files ---

static void read_tag(const char *path, char ret[TAG_MAX])
{
	cleanup_free char *tag = xasprintf("%s.tag", path);
	cleanup_buf struct buf text = BUF_INIT;

	ret[0] = '\0';
	if (file_exists(path) && file_read(tag, TAG_MAX - 1, &text, NULL) == 0)
		snprintf(ret, TAG_MAX, "%s", buf_str(&text));
}

// What to ask for: the rest of a part, or the whole unless the file is still the newest.
static void add_conditions(struct transfer *t, const char *path, const char *part)
{
	char tag[TAG_MAX];
	struct stat st;

	read_tag(part, tag);
	if (*tag && fstat(t->fd, &st) == 0 && st.st_size > 0) {
		cleanup_free char *range = xasprintf("bytes=%lld-", (long long)st.st_size);
		t->had = st.st_size;
		add_header(t, "Range", range);
		add_header(t, "If-Range", tag);
		return;
	}
	read_tag(path, tag);
	if (*tag)
		add_header(t, *tag == '"' ? "If-None-Match" : "If-Modified-Since", tag);
}

static int remove_part(const char *part, struct error *err)
{
	cleanup_free char *tag = xasprintf("%s.tag", part);
	int r = file_unlink(part, err);

	return r < 0 ? r : file_unlink(tag, err);
}

// 1: a new version is in `part`. 0: the file at `path` is the newest.
static int fetch_part(const char *url, const char *path, const char *part, struct error *err)
{
	CLEANUP(transfer_done) struct transfer t = { .path = part };
	cleanup_close int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct error own = ERROR_INIT;

	if (fd < 0)
		return error_set(err, errno, "make %s", part);
	t.fd = fd;
	progress_begin(&t.progress, path_base(url));
	int r = prepare(&t, url, &own);
	if (r < 0)
		return error_say(err, own.code, "%s", own.msg);
	add_conditions(&t, path, part);
	r = perform(&t, url, &own);
	progress_end(&t.progress);
	// All of it is there already, or the version is gone: the whole is asked for next.
	if (r < 0 && t.status == 416)
		return remove_part(part, err) < 0 ? -err->code : error_say(err, EAGAIN, "%s has changed", url);
	if (r < 0)
		return error_say(err, own.code, "%s", own.msg);
	if (t.status == 304)
		return 0;
	if (!t.started || fsync(fd) < 0)
		return t.started ? error_set(err, errno, "write %s", part)
				 : error_say(err, EBADMSG, "fetch %s: it is empty", url);
	return 1;
}

static int keep(const char *part, const char *path, struct error *err)
{
	cleanup_free char *part_tag = xasprintf("%s.tag", part);
	cleanup_free char *tag = xasprintf("%s.tag", path);
	int r = file_unlink(tag, err);

	if (r == 0 && rename(part, path) < 0)
		r = error_set(err, errno, "rename %s", part);
	if (r == 0 && rename(part_tag, tag) < 0 && errno != ENOENT)
		r = error_set(err, errno, "rename %s", part_tag);
	return r;
}

int fetch_file(const char *url, const char *path, struct error *err)
{
	cleanup_free char *part = xasprintf("%s.part", path);
	cleanup_free char *dir = path_dir(path);
	int r = file_mkdirs(dir, 0700, err);

	if (r == 0)
		r = fetch_part(url, path, part, err);
	if (r == -EAGAIN)
		r = fetch_part(url, path, part, err);
	if (r < 0)
		return r;
	if (r == 0) {
		log_debug("%s has not changed", url);
		return remove_part(part, err);
	}
	r = check_remote_digest(url, part, err);
	if (r == -EBADMSG && remove_part(part, NULL) < 0)
		log_debug("%s stays", part);
	return r < 0 ? r : keep(part, path, err);
}

// --- releases ---

// Splits SCHEME://HOST[/api/v3]/repos/OWNER/NAME/releases…; false: it is none of that.
static bool split_release_api(const char *url, char **ret_host, char **ret_repository)
{
	const char *host = strstr(url, "://") + 3;
	const char *path = host + strcspn(host, "/");
	cleanup_strv struct strv parts = STRV_INIT;
	static const char api[] = "/api/v3/";

	if (strncmp(path, api, strlen(api)) == 0)
		*ret_host = xstrndup(host, (size_t)(path - host)), path += strlen(api) - 1;
	else
		*ret_host = strncmp(host, "api.github.com/", 15) == 0 ? xstrdup("github.com")
								      : xstrndup(host, (size_t)(path - host));
	strv_split(&parts, path, "/");
	if (parts.count < 4 || strcmp(parts.items[0], "repos") != 0 || strcmp(parts.items[3], "releases") != 0) {
		free(take_ptr(*ret_host));
		return false;
	}
	*ret_repository = xasprintf("%s/%s", parts.items[1], parts.items[2]);
	return true;
}

// The newest release: the answer itself (…/latest), or the first of a list that is neither a draft nor a pre-release.
static const char *newest_tag(const json_t *answer)
{
	size_t i;
	const json_t *one;

	json_array_foreach(answer, i,
			   one) if (!json_bool_at(one, "draft", false) &&
				    !json_bool_at(one, "prerelease", false)) return json_str_at(one, "tag_name", "");
	return json_str_at(answer, "tag_name", "");
}

int fetch_release_url(const char *url, char **ret, struct error *err)
{
	cleanup_free char *host = NULL;
	cleanup_free char *repository = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *answer = NULL;

	if (!split_release_api(url, &host, &repository)) {
		*ret = xstrdup(url);
		return 0;
	}
	int r = fetch_text(url, RELEASES_MAX, &text, err);
	if (r == 0)
		r = json_read_text(buf_str(&text), text.len, url, &answer, err);
	if (r < 0)
		return r;
	const char *tag = newest_tag(answer);
	if (!*tag || strpbrk(tag, "/?#% \t\r\n"))
		return error_say(err, EBADMSG, "%s lists no release", url);
	log_info("Latest release for %s/%s is %s", host, repository, tag);
	*ret = xasprintf("%.*s://%s/%s/releases/download/%s/boot2docker.iso", (int)strcspn(url, ":"), url, host,
			 repository, tag);
	return 0;
}
