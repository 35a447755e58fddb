// SPDX-License-Identifier: Apache-2.0
// The store's certificates; see certs.h.
#include "certs.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "lib/pki.h"
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { KEY_FILE_MAX = 1 << 20, CERTS_LOCK_TIMEOUT_MS = 30 * 1000 };

// Named as Docker Machine names it: the user.
static char *organization(void)
{
	const char *user = getenv("USER");

	return xasprintf("%s.boot2docker", user && *user ? user : "unknown");
}

static int make_ca(const struct context *ctx, const char *org, struct error *err)
{
	struct pki_ca_spec spec = { .cert_path = ctx->ca_cert,
				    .key_path = ctx->ca_key,
				    .organization = org,
				    .now = time(NULL),
				    .days = CERT_DAYS };

	if (file_exists(ctx->ca_cert))
		return 0;
	if (file_exists(ctx->ca_key))
		return error_say(err, EEXIST,
				 "the CA's key %s is there without its certificate %s; put the certificate back, or "
				 "remove the key",
				 ctx->ca_key, ctx->ca_cert);
	log_info("Creating CA: %s", ctx->ca_cert);
	return pki_make_ca(&spec, err);
}

static int make_client(const struct context *ctx, const char *org, struct error *err)
{
	struct pki_cert_spec spec = { .ca_cert_path = ctx->ca_cert,
				      .ca_key_path = ctx->ca_key,
				      .cert_path = ctx->client_cert,
				      .key_path = ctx->client_key,
				      .organization = org,
				      .common_name = "client",
				      .role = PKI_CLIENT,
				      .now = time(NULL),
				      .days = CERT_DAYS };

	if (file_exists(ctx->client_cert) && file_exists(ctx->client_key))
		return 0;
	log_info("Creating client certificate: %s", ctx->client_cert);
	return pki_make_cert(&spec, err);
}

static bool ca_is_own(const struct context *ctx)
{
	cleanup_free char *own = path_join(ctx->storage_path, "certs/ca.pem");

	return strcmp(ctx->ca_cert, own) == 0;
}

// Keys first: a certificate without its key is never taken for a whole pair.
static int forget_client(const struct context *ctx, struct error *err)
{
	bool own = ca_is_own(ctx);
	const char *files[] = { ctx->client_key, ctx->client_cert, own ? ctx->ca_key : NULL, ctx->ca_cert, NULL };
	int r = 0;

	if (!own)
		log_info("The CA %s is not the store's own: it stays as it is", ctx->ca_cert);
	for (const char **file = files; *file && r == 0; file++)
		r = file_unlink(*file, err);
	return r;
}

static int ensure(const struct context *ctx, bool anew, struct error *err)
{
	cleanup_free char *dir = path_dir(ctx->ca_cert);
	cleanup_free char *lock_path = path_join(ctx->storage_path, "certs.lock");
	cleanup_free char *org = organization();
	cleanup_close int lock = -1;

	int r = file_mkdirs(ctx->storage_path, 0700, err);
	if (r == 0)
		r = file_mkdirs(dir, 0700, err);
	if (r == 0)
		r = lock_take(lock_path, CERTS_LOCK_TIMEOUT_MS, &lock, err);
	if (r == 0 && anew)
		r = forget_client(ctx, err);
	if (r == 0)
		r = make_ca(ctx, org, err);
	if (r == 0)
		r = make_client(ctx, org, err);
	return r < 0 ? error_wrap(err, "making the store's certificates") : 0;
}

int certs_ensure(const struct context *ctx, struct error *err)
{
	return ensure(ctx, false, err);
}

int certs_renew_client(const struct context *ctx, struct error *err)
{
	return ensure(ctx, true, err);
}

static int copy_into(const struct machine *m, const char *from, const char *name, mode_t mode, struct error *err)
{
	cleanup_free char *to = machine_path(m, name);

	return file_copy(from, to, mode, err);
}

static void server_names(const struct machine *m, struct strv *ret)
{
	const json_t *sans = json_at(m->config, "HostOptions.AuthOptions.ServerCertSANs");
	const json_t *san;
	size_t i;

	json_array_foreach(sans, i, san) if (json_is_string(san)) strv_push(ret, json_string_value(san));
	const char *always[] = { machine_ip(m), "localhost", "127.0.0.1", NULL };
	for (const char **name = always; *name; name++)
		if (**name && !strv_contains(ret, *name))
			strv_push(ret, *name);
}

int certs_make_server(const struct machine *m, struct error *err)
{
	const struct context *ctx = m->ctx;
	cleanup_free char *cert = machine_path(m, "server.pem");
	cleanup_free char *key = machine_path(m, "server-key.pem");
	cleanup_free char *org = organization();
	cleanup_strv struct strv names = STRV_INIT;

	server_names(m, &names);
	struct pki_cert_spec spec = { .ca_cert_path = ctx->ca_cert,
				      .ca_key_path = ctx->ca_key,
				      .cert_path = cert,
				      .key_path = key,
				      .organization = org,
				      .common_name = m->name,
				      .role = PKI_SERVER,
				      .names = &names,
				      .now = time(NULL),
				      .days = CERT_DAYS };
	int r = pki_make_cert(&spec, err);
	if (r == 0)
		r = copy_into(m, ctx->ca_cert, "ca.pem", 0644, err);
	if (r == 0)
		r = copy_into(m, ctx->client_cert, "cert.pem", 0644, err);
	if (r == 0)
		r = copy_into(m, ctx->client_key, "key.pem", 0600, err);
	return r < 0 ? error_wrap(err, "making the certificates of machine \"%s\"", m->name) : 0;
}

static int check_server(const struct machine *m, int margin_days, struct error *err)
{
	cleanup_free char *ca = machine_path(m, "ca.pem");
	cleanup_free char *cert = machine_path(m, "server.pem");
	cleanup_free char *key = machine_path(m, "server-key.pem");
	cleanup_strv struct strv names = STRV_INIT;

	strv_push(&names, machine_ip(m));
	// Reading a private key takes a third of the time of a check; `start`, which has a margin to ask for, looks at it.
	return pki_check(ca, cert, margin_days ? key : NULL, &names, time(NULL), margin_days, err);
}

// --- the check that passed is remembered ---
// OpenSSL needs a quarter of the time of `env` to wake up. So what passed, and will pass for a day more, is not looked at again
// that day, as long as the files are the same ones (by inode and times) and the address is.

enum { REMEMBERED_S = 24 * 60 * 60, REMEMBERED_MAX = 4096 };

// The address and what the files are, in words; false when a file is missing.
static bool checked_files(const struct machine *m, struct buf *ret)
{
	static const char *const files[] = { "ca.pem", "server.pem" };

	buf_puts(ret, machine_ip(m));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = machine_path(m, files[i]);
		struct stat st;

		if (stat(path, &st) < 0)
			return false;
		buf_printf(ret, " %ju:%ju:%jd:%jd.%09ld:%jd.%09ld", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
			   (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			   (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	}
	return true;
}

static bool passed_today(const struct machine *m, const char *files)
{
	cleanup_free char *path = machine_path(m, "certs.checked");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv words = STRV_INIT;
	cleanup_free char *rest = NULL;
	int64_t from, now = time(NULL);

	if (file_read(path, REMEMBERED_MAX, &text, NULL) < 0)
		return false;
	strv_split(&words, buf_str(&text), " \n");
	if (words.count == 0 || number_parse_i64(words.items[0], 0, now, &from, NULL) < 0 || now >= from + REMEMBERED_S)
		return false;
	rest = xasprintf("%s %s\n", words.items[0], files);
	return strcmp(rest, buf_str(&text)) == 0;
}

int certs_check_server(const struct machine *m, int margin_days, struct error *err)
{
	cleanup_free char *path = machine_path(m, "certs.checked");
	cleanup_buf struct buf files = BUF_INIT;
	struct error ignored = ERROR_INIT;
	bool known = margin_days == 0 && checked_files(m, &files);
	intmax_t now = time(NULL);

	if (known && passed_today(m, buf_str(&files)))
		return 1;
	int r = check_server(m, margin_days, err);
	if (r == 1 && known && check_server(m, 1, &ignored) == 1) {
		cleanup_free char *text = xasprintf("%jd %s\n", now, buf_str(&files));
		if (file_replace_text(path, text, 0600, &ignored) < 0) // a store that is read only works all the same
			log_debug("%s", ignored.msg);
	}
	return r;
}
