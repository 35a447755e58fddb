// SPDX-License-Identifier: Apache-2.0
// Certificates for Docker's TLS: a CA of our own, server and client certificates. OpenSSL behind it. ECDSA P-256, SHA-256.
#pragma once

#include "buf.h"
#include "error.h"
#include "strv.h"

#include <stdbool.h>
#include <time.h>

struct pki_ca_spec {
	const char *cert_path, *key_path; // written: certificate 0644, key 0600
	const char *organization;
	time_t now; // notBefore = now - 1 day (clocks differ)
	int days;
};

enum pki_role { PKI_SERVER, PKI_CLIENT };

struct pki_cert_spec {
	const char *ca_cert_path, *ca_key_path; // read
	const char *cert_path, *key_path; // written, each atomically
	const char *organization, *common_name; // common_name may be NULL
	enum pki_role role; // sets extendedKeyUsage
	const struct strv *names; // subjectAltName: addresses become IP entries, others DNS; may be NULL for clients
	time_t now;
	int days;
};

int pki_make_ca(const struct pki_ca_spec *spec, struct error *err) MUST_CHECK;
// Writes a CA's certificate anew, valid from now on, for the same key: what it has signed, and what trusts the old one, stays good.
// Only one that pki_make_ca made for this organization (-EPERM else); the key is read and never written.
int pki_renew_ca(const struct pki_ca_spec *spec, struct error *err) MUST_CHECK;
int pki_make_cert(const struct pki_cert_spec *spec, struct error *err) MUST_CHECK;

// 1: the certificate is signed by the CA, fits its key (NULL: not asked), is valid at `now` and at `now + margin_days`, and has every one of
// `names` (NULL: not asked). 0: not so; the reason is put into err. -errno: a file could not be read.
int pki_check(const char *ca_cert_path, const char *cert_path, const char *key_path, const struct strv *names,
	      time_t now, int margin_days, struct error *err) MUST_CHECK;

// OpenSSL's reason for not verifying at the time `when`, in words; one that is a matter of dates has the date, for it is most often a
// clock that is off. The caller frees it.
char *pki_verify_reason(long code, time_t when);

// Reads the certificates in `data`, PEM with any number of them (keys and text beside them are passed over) or one in DER, and
// appends each as PEM. Returns their number. -EBADMSG: one of them is broken, or there is none; `what` names the data in
// errors, and nothing is appended.
int pki_read_certificates(const void *data, size_t len, const char *what, struct buf *ret,
			  struct error *err) MUST_CHECK;
