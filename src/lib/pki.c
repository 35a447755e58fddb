// SPDX-License-Identifier: Apache-2.0
// Certificates for Docker's TLS, through OpenSSL; see pki.h.
//
// OpenSSL returns 1, 0 or NULL and keeps its reasons in a queue; ssl_error() turns that into our convention in one place.
#include "pki.h"

#include "alloc.h"
#include "buf.h"
#include "file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { PEM_MAX = 256 * 1024, SECONDS_PER_DAY = 24 * 60 * 60 };

#define CLEANUP_OPENSSL(type, free_fn)       \
	static void cleanup_##type(type **p) \
	{                                    \
		free_fn(*p);                 \
	}
CLEANUP_OPENSSL(X509, X509_free)
CLEANUP_OPENSSL(EVP_PKEY, EVP_PKEY_free)
CLEANUP_OPENSSL(BIO, BIO_free_all)
CLEANUP_OPENSSL(X509_STORE, X509_STORE_free)
CLEANUP_OPENSSL(X509_STORE_CTX, X509_STORE_CTX_free)
CLEANUP_OPENSSL(X509_EXTENSION, X509_EXTENSION_free)

static int ssl_error(struct error *err, int code, const char *doing, const char *what)
{
	unsigned long reason = ERR_peek_last_error();
	const char *text = reason ? ERR_reason_error_string(reason) : NULL;

	ERR_clear_error();
	return error_say(err, code, "%s %s: %s", doing, what, text ? text : "OpenSSL gives no reason");
}

static int write_pem_cert(const char *path, X509 *cert, struct error *err)
{
	CLEANUP(cleanup_BIO) BIO *bio = BIO_new(BIO_s_mem());
	char *data;

	if (!bio || !PEM_write_bio_X509(bio, cert))
		return ssl_error(err, EIO, "encode certificate", path);
	long len = BIO_get_mem_data(bio, &data);
	return file_replace(path, data, (size_t)len, 0644, err);
}

static int write_pem_key(const char *path, EVP_PKEY *key, struct error *err)
{
	// "Traditional" form ("EC PRIVATE KEY") would be read by fewer programs than PKCS #8.
	CLEANUP(cleanup_BIO) BIO *bio = BIO_new(BIO_s_secmem());
	char *data;

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return ssl_error(err, EIO, "encode key", path);
	long len = BIO_get_mem_data(bio, &data);
	return file_replace(path, data, (size_t)len, 0600, err);
}

static int read_pem(const char *path, struct buf *text, BIO **ret, struct error *err)
{
	int r = file_read(path, PEM_MAX, text, err);

	if (r < 0)
		return r;
	*ret = BIO_new_mem_buf(buf_str(text), (int)text->len);
	return *ret ? 0 : ssl_error(err, ENOMEM, "read", path);
}

static int read_cert(const char *path, X509 **ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	CLEANUP(cleanup_BIO) BIO *bio = NULL;
	int r = read_pem(path, &text, &bio, err);

	if (r < 0)
		return r;
	*ret = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	return *ret ? 0 : ssl_error(err, EBADMSG, "read certificate", path);
}

// A key that asks for a pass phrase is refused: there is nobody to ask.
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static int read_key(const char *path, EVP_PKEY **ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	CLEANUP(cleanup_BIO) BIO *bio = NULL;
	int r = read_pem(path, &text, &bio, err);

	if (r == 0) {
		*ret = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		if (!*ret)
			r = ssl_error(err, EBADMSG, "read key", path);
	}
	if (text.data)
		OPENSSL_cleanse(text.data, text.capacity);
	return r;
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value, struct error *err)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	CLEANUP(cleanup_X509_EXTENSION) X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!extension || !X509_add_ext(cert, extension, -1))
		return ssl_error(err, EINVAL, "add certificate extension", value);
	return 0;
}

static bool is_address(const char *name, unsigned char bytes[16], int *ret_len)
{
	if (inet_pton(AF_INET, name, bytes) == 1) {
		*ret_len = 4;
		return true;
	}
	if (inet_pton(AF_INET6, name, bytes) == 1) {
		*ret_len = 16;
		return true;
	}
	return false;
}

// Names come from DHCP, command lines and files: anything that would be syntax in an OpenSSL value ends the attempt.
static int check_name(const char *name, struct error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > 253 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*:") != len)
		return error_say(err, EINVAL, "\"%.64s\" cannot be a certificate's name", name);
	return 0;
}

static int add_names(X509 *cert, const struct strv *names, struct error *err)
{
	cleanup_buf struct buf value = BUF_INIT;
	unsigned char bytes[16];
	int len;

	for (size_t i = 0; names && i < names->count; i++) {
		int r = check_name(names->items[i], err);
		if (r < 0)
			return r;
		buf_printf(&value, "%s%s:%s", value.len ? "," : "",
			   is_address(names->items[i], bytes, &len) ? "IP" : "DNS", names->items[i]);
	}
	return value.len ? add_extension(cert, cert, NID_subject_alt_name, buf_str(&value), err) : 0;
}

static int add_subject_part(X509_NAME *subject, const char *field, const char *value, struct error *err)
{
	if (!value || !*value)
		return 0;
	if (!X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0))
		return ssl_error(err, EINVAL, "put into the certificate's subject:", value);
	return 0;
}

struct body {
	const char *organization, *common_name;
	time_t now;
	int days;
	EVP_PKEY *key;
};

// Serial number, validity, subject and key: what every certificate has.
static int fill_body(X509 *cert, const struct body *body, struct error *err)
{
	unsigned char serial[16];
	time_t from = body->now - SECONDS_PER_DAY, until = body->now + (time_t)body->days * SECONDS_PER_DAY;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return ssl_error(err, EIO, "take random bytes for", "a certificate's serial number");
	serial[0] &= 0x7f; // positive, RFC 5280 section 4.1.2.2
	BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
	bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	if (!ok || !X509_set_version(cert, X509_VERSION_3) || !X509_set_pubkey(cert, body->key) ||
	    !ASN1_TIME_set(X509_getm_notBefore(cert), from) || !ASN1_TIME_set(X509_getm_notAfter(cert), until))
		return ssl_error(err, EIO, "fill", "a certificate");
	int r = add_subject_part(X509_get_subject_name(cert), "O", body->organization, err);
	return r < 0 ? r : add_subject_part(X509_get_subject_name(cert), "CN", body->common_name, err);
}

static int sign(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, struct error *err)
{
	if (!X509_set_issuer_name(cert, X509_get_subject_name(issuer)))
		return ssl_error(err, EIO, "name the issuer of", "a certificate");
	int r = add_extension(cert, issuer, NID_authority_key_identifier, "keyid", err);
	if (r < 0)
		return r;
	return X509_sign(cert, issuer_key, EVP_sha256()) ? 0 : ssl_error(err, EIO, "sign", "a certificate");
}

static int make_key(EVP_PKEY **ret, struct error *err)
{
	*ret = EVP_EC_gen("P-256");
	return *ret ? 0 : ssl_error(err, EIO, "make", "an ECDSA P-256 key");
}

struct extension {
	int nid;
	const char *value;
};

static int add_extensions(X509 *cert, const struct extension *list, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = add_extension(cert, cert, list[i].nid, list[i].value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_ca(X509 *cert, const struct pki_ca_spec *spec, EVP_PKEY *key, struct error *err)
{
	static const struct extension extensions[] = {
		{ NID_basic_constraints, "critical,CA:TRUE" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature" },
		{ NID_subject_key_identifier, "hash" },
	};
	struct body body = { spec->organization, spec->organization, spec->now, spec->days, key };
	int r = fill_body(cert, &body, err);

	if (r == 0)
		r = add_extensions(cert, extensions, ARRAY_SIZE(extensions), err);
	return r < 0 ? r : sign(cert, cert, key, err);
}

int pki_make_ca(const struct pki_ca_spec *spec, struct error *err)
{
	CLEANUP(cleanup_EVP_PKEY) EVP_PKEY *key = NULL;
	CLEANUP(cleanup_X509) X509 *cert = X509_new();
	int r = cert ? make_key(&key, err) : ssl_error(err, ENOMEM, "make", "a certificate");

	if (r == 0)
		r = fill_ca(cert, spec, key, err);
	if (r == 0)
		r = write_pem_key(spec->key_path, key, err);
	return r < 0 ? r : write_pem_cert(spec->cert_path, cert, err);
}

int pki_renew_ca(const struct pki_ca_spec *spec, struct error *err)
{
	CLEANUP(cleanup_EVP_PKEY) EVP_PKEY *key = NULL;
	CLEANUP(cleanup_X509) X509 *old = NULL;
	CLEANUP(cleanup_X509) X509 *cert = X509_new();
	int r = cert ? read_cert(spec->cert_path, &old, err) : ssl_error(err, ENOMEM, "make", "a certificate");

	if (r == 0)
		r = read_key(spec->key_path, &key, err);
	if (r == 0)
		r = fill_ca(cert, spec, key, err);
	if (r < 0)
		return r;
	if (X509_NAME_cmp(X509_get_subject_name(old), X509_get_subject_name(cert)) != 0 ||
	    X509_check_private_key(old, key) != 1) {
		ERR_clear_error();
		return error_say(err, EPERM, "%s is not of our making", spec->cert_path);
	}
	return write_pem_cert(spec->cert_path, cert, err);
}

static int add_leaf_extensions(X509 *cert, const struct pki_cert_spec *spec, struct error *err)
{
	const struct extension extensions[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, spec->role == PKI_SERVER ? "serverAuth" : "clientAuth" },
		{ NID_subject_key_identifier, "hash" },
	};
	int r = add_extensions(cert, extensions, ARRAY_SIZE(extensions), err);

	return r < 0 ? r : add_names(cert, spec->names, err);
}

int pki_make_cert(const struct pki_cert_spec *spec, struct error *err)
{
	CLEANUP(cleanup_EVP_PKEY) EVP_PKEY *key = NULL;
	CLEANUP(cleanup_EVP_PKEY) EVP_PKEY *ca_key = NULL;
	CLEANUP(cleanup_X509) X509 *ca = NULL;
	CLEANUP(cleanup_X509) X509 *cert = X509_new();
	int r = cert ? make_key(&key, err) : ssl_error(err, ENOMEM, "make", "a certificate");

	if (r == 0)
		r = read_cert(spec->ca_cert_path, &ca, err);
	if (r == 0)
		r = read_key(spec->ca_key_path, &ca_key, err);
	if (r < 0)
		return r;
	if (X509_check_private_key(ca, ca_key) != 1)
		return ssl_error(err, EBADMSG, "use the CA: the key does not belong to", spec->ca_cert_path);
	struct body body = { spec->organization, spec->common_name, spec->now, spec->days, key };
	r = fill_body(cert, &body, err);
	if (r == 0)
		r = add_leaf_extensions(cert, spec, err);
	if (r == 0)
		r = sign(cert, ca, ca_key, err);
	if (r == 0)
		r = write_pem_key(spec->key_path, key, err);
	return r < 0 ? r : write_pem_cert(spec->cert_path, cert, err);
}

char *pki_verify_reason(long code, time_t when)
{
	const char *text = X509_verify_cert_error_string(code);
	char day[16];
	struct tm tm;

	if (code != X509_V_ERR_CERT_NOT_YET_VALID && code != X509_V_ERR_CERT_HAS_EXPIRED)
		return xstrdup(text);
	gmtime_r(&when, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	return xasprintf("%s (by the date %s; is the clock right?)", text, day);
}

// Whether the chain CA -> certificate holds at the time given. The reason goes to err when not.
static int verify_at(X509 *ca, X509 *cert, time_t when, const char *path, struct error *err)
{
	CLEANUP(cleanup_X509_STORE) X509_STORE *store = X509_STORE_new();
	CLEANUP(cleanup_X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!store || !ctx || !X509_STORE_add_cert(store, ca) || !X509_STORE_CTX_init(ctx, store, cert, NULL))
		return ssl_error(err, EIO, "verify", path);
	X509_STORE_CTX_set_time(ctx, 0, when);
	if (X509_verify_cert(ctx) == 1)
		return 1;
	cleanup_free char *reason = pki_verify_reason(X509_STORE_CTX_get_error(ctx), when);

	error_say(err, EBADMSG, "%s: %s", path, reason);
	ERR_clear_error();
	return 0;
}

static int has_name(X509 *cert, const char *name, const char *path, struct error *err)
{
	unsigned char bytes[16];
	int len;
	int found = is_address(name, bytes, &len)
			    ? X509_check_ip(cert, bytes, (size_t)len, 0)
			    : X509_check_host(cert, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);

	ERR_clear_error();
	if (found == 1)
		return 1;
	error_say(err, EBADMSG, "%s is not for %s", path, name);
	return 0;
}

int pki_check(const char *ca_cert_path, const char *cert_path, const char *key_path, const struct strv *names,
	      time_t now, int margin_days, struct error *err)
{
	CLEANUP(cleanup_X509) X509 *ca = NULL;
	CLEANUP(cleanup_X509) X509 *cert = NULL;
	CLEANUP(cleanup_EVP_PKEY) EVP_PKEY *key = NULL;
	int r = read_cert(ca_cert_path, &ca, err);

	if (r == 0)
		r = read_cert(cert_path, &cert, err);
	if (r == 0 && key_path)
		r = read_key(key_path, &key, err);
	if (r < 0)
		return r;
	if (key && X509_check_private_key(cert, key) != 1) {
		ERR_clear_error();
		error_say(err, EBADMSG, "%s does not belong to %s", key_path, cert_path);
		return 0;
	}
	r = verify_at(ca, cert, now, cert_path, err);
	if (r == 1 && margin_days)
		r = verify_at(ca, cert, now + (time_t)margin_days * SECONDS_PER_DAY, cert_path, err);
	for (size_t i = 0; r == 1 && names && i < names->count; i++)
		r = has_name(cert, names->items[i], cert_path, err);
	return r;
}

static int append_pem(X509 *cert, const char *what, BIO *out, struct error *err)
{
	return PEM_write_bio_X509(out, cert) ? 0 : ssl_error(err, EIO, "encode certificate", what);
}

// A certificate in DER is an ASN.1 SEQUENCE from its first byte on, which no text begins with.
static int read_der(const void *data, size_t len, const char *what, BIO *out, struct error *err)
{
	const unsigned char *p = data;
	CLEANUP(cleanup_X509) X509 *cert = d2i_X509(NULL, &p, (long)len);

	if (!cert || p != (const unsigned char *)data + len)
		return ssl_error(err, EBADMSG, "read certificate", what);
	return append_pem(cert, what, out, err) < 0 ? -EIO : 1;
}

static int read_pems(const void *data, size_t len, const char *what, BIO *out, struct error *err)
{
	CLEANUP(cleanup_BIO) BIO *in = BIO_new_mem_buf(data, (int)len);
	int count = 0, r;

	while (in) {
		CLEANUP(cleanup_X509) X509 *cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);

		if (!cert)
			break;
		r = append_pem(cert, what, out, err);
		if (r < 0)
			return r;
		count++;
	}
	// The end of the text is this error; any other one is a broken certificate.
	if (!in || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return ssl_error(err, EBADMSG, "read certificates of", what);
	ERR_clear_error();
	return count > 0 ? count : error_say(err, EBADMSG, "%s holds no certificate", what);
}

int pki_read_certificates(const void *data, size_t len, const char *what, struct buf *ret, struct error *err)
{
	CLEANUP(cleanup_BIO) BIO *out = BIO_new(BIO_s_mem());
	char *text;
	int r;

	if (!out || len > PEM_MAX)
		return error_say(err, EFBIG, "%s is too large for certificates: %zu bytes", what, len);
	if (len > 0 && *(const unsigned char *)data == 0x30)
		r = read_der(data, len, what, out, err);
	else
		r = read_pems(data, len, what, out, err);
	if (r < 0)
		return r;
	long size = BIO_get_mem_data(out, &text);
	buf_add(ret, text, (size_t)size);
	return r;
}
