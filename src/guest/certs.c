// SPDX-License-Identifier: Apache-2.0
// b2d-certs: the certificates of the engine's TLS port, made when they are missing, renewed when they do not fit any more.
//
// A program of its own, because it needs OpenSSL and PID 1 does not: a CA, a server's and a client's certificate. A CA that is
// there is never replaced, only renewed for the same key when we made it and it is about to expire; a server's or client's certificate
// is made anew from the CA there is when it lacks a name, is about to expire, or is of another CA.
#include "lib/alloc.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/path.h"
#include "lib/pki.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define CA_DAYS 3650
#define CERT_DAYS 1080
#define MARGIN_DAYS 30 // renewed this long before it expires

struct arguments {
	char *ca_cert, *ca_key, *server_cert, *server_key, *client_cert, *client_key;
	char *organization, *server_organization, *ca_organization;
	struct strv names;
	bool renew_ca, help;
};

#define ROW(flag, field, argument_, help_)                                                        \
	{                                                                                         \
		.name = flag, .type = OPTION_STRING, .offset = offsetof(struct arguments, field), \
		.argument = argument_, .help = help_                                              \
	}

static const struct option_row rows[] = {
	ROW("ca-cert", ca_cert, "FILE", "certificate of the CA"),
	ROW("ca-key", ca_key, "FILE", "its key"),
	ROW("server-cert", server_cert, "FILE", "certificate of the engine"),
	ROW("server-key", server_key, "FILE", "its key"),
	ROW("client-cert", client_cert, "FILE", "certificate of the client"),
	ROW("client-key", client_key, "FILE", "its key"),
	ROW("organization", organization, "NAME", "of the client"),
	ROW("server-organization", server_organization, "NAME", "of the server"),
	ROW("ca-organization", ca_organization, "NAME", "of the CA"),
	{ .name = "name",
	  .type = OPTION_LIST,
	  .offset = offsetof(struct arguments, names),
	  .argument = "NAME",
	  .help = "host name or address of the engine; may be given more than once" },
	{ .name = "renew-ca",
	  .type = OPTION_BOOL,
	  .offset = offsetof(struct arguments, renew_ca),
	  .help = "also renew the CA's certificate, when it was made here" },
	{ .name = "help",
	  .letter = 'h',
	  .type = OPTION_BOOL,
	  .offset = offsetof(struct arguments, help),
	  .help = "print this" },
	{ .name = NULL },
};

static const struct option_row *const tables[] = { rows, NULL };

static int make_folder_of(const char *path, struct error *err)
{
	cleanup_free char *dir = path_dir(path);

	return file_mkdirs(dir, 0700, err);
}

// Where that fails the CA is used as it is.
static void renew_ca(const struct pki_ca_spec *spec)
{
	struct error reason = ERROR_INIT, err = ERROR_INIT;

	if (pki_check(spec->cert_path, spec->cert_path, NULL, NULL, spec->now, MARGIN_DAYS, &reason) != 0)
		return;
	if (pki_renew_ca(spec, &err) < 0)
		log_error("the CA is about to expire, or has (%s), and is not renewed: %s", reason.msg, err.msg);
	else
		log_info("renewed the CA's certificate, for the same key: %s", reason.msg);
}

static int ensure_ca(const struct arguments *a, time_t now, struct error *err)
{
	struct pki_ca_spec spec = { .cert_path = a->ca_cert,
				    .key_path = a->ca_key,
				    .organization = a->ca_organization,
				    .now = now,
				    .days = CA_DAYS };
	bool has_cert = file_exists(a->ca_cert), has_key = file_exists(a->ca_key);
	int r;

	if (has_cert && has_key) {
		if (a->renew_ca)
			renew_ca(&spec);
		return 0;
	}
	if (has_cert || has_key)
		return error_say(err, ENOENT,
				 "of the CA's files %s and %s only one is there: give both, or remove it and let "
				 "both be made",
				 a->ca_cert, a->ca_key);
	r = make_folder_of(a->ca_cert, err);
	if (r == 0)
		r = make_folder_of(a->ca_key, err);
	if (r < 0)
		return r;
	log_info("making a CA: %s", a->ca_cert);
	return pki_make_ca(&spec, err);
}

static int ensure_cert(const struct pki_cert_spec *spec, struct error *err)
{
	struct error reason = ERROR_INIT;
	int r;

	r = pki_check(spec->ca_cert_path, spec->cert_path, spec->key_path, spec->names, spec->now, MARGIN_DAYS,
		      &reason);
	if (r == 1)
		return 0;
	r = make_folder_of(spec->cert_path, err);
	if (r == 0)
		r = make_folder_of(spec->key_path, err);
	if (r < 0)
		return r;
	log_info("making %s: %s", spec->cert_path, reason.msg);
	return pki_make_cert(spec, err);
}

static int ensure_all(const struct arguments *a, time_t now, struct error *err)
{
	const struct pki_cert_spec server = {
		.ca_cert_path = a->ca_cert,
		.ca_key_path = a->ca_key,
		.cert_path = a->server_cert,
		.key_path = a->server_key,
		.organization = a->server_organization,
		.common_name = a->names.count ? a->names.items[0] : NULL,
		.role = PKI_SERVER,
		.names = &a->names,
		.now = now,
		.days = CERT_DAYS,
	};
	const struct pki_cert_spec client = {
		.ca_cert_path = a->ca_cert,
		.ca_key_path = a->ca_key,
		.cert_path = a->client_cert,
		.key_path = a->client_key,
		.organization = a->organization,
		.role = PKI_CLIENT,
		.now = now,
		.days = CERT_DAYS,
	};
	int r = ensure_ca(a, now, err);

	if (r == 0)
		r = ensure_cert(&server, err);
	return r < 0 ? r : ensure_cert(&client, err);
}

static int check_arguments(const struct arguments *a, struct error *err)
{
	if (!a->ca_cert || !a->ca_key || !a->server_cert || !a->server_key || !a->client_cert || !a->client_key)
		return error_say(err, EINVAL, "give all six files; see b2d-certs --help");
	if (a->names.count == 0)
		return error_say(err, EINVAL, "give at least one --name of the engine");
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments a = { .help = false };
	struct option_parse how = { .operands = NULL };
	struct error err = ERROR_INIT;
	int r;

	log_set_sink(log_sink_stderr, NULL);
	r = option_parse(tables, &a, argc, argv, &how, &err);
	if (r == 0 && a.help) {
		cleanup_buf struct buf text = BUF_INIT;

		option_help(tables, &text);
		printf("usage: b2d-certs OPTIONS\nMakes or renews the certificates of the Docker engine.\n%s",
		       buf_str(&text));
	} else if (r == 0) {
		r = check_arguments(&a, &err);
		if (r == 0)
			r = ensure_all(&a, time(NULL), &err);
	}
	if (r < 0)
		fprintf(stderr, "b2d-certs: %s\n", err.msg);
	option_done(tables, &a);
	return r < 0 ? 1 : 0;
}
