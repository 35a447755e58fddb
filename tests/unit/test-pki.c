// SPDX-License-Identifier: Apache-2.0
// Unit tests of the certificates; the judge is the openssl program.
#include "test.h"

#include "lib/file.h"
#include "lib/path.h"
#include "lib/pki.h"
#include "lib/proc.h"

#include <errno.h>
#include <sys/stat.h>

static const time_t NOW = 1800000000; // 2027-01-15

static struct error err;
static char *folder, *ca, *ca_key, *cert, *key;

static int start(void **state)
{
	(void)state;
	error_clear(&err);
	folder = test_folder();
	ca = path_join(folder, "ca.pem");
	ca_key = path_join(folder, "ca-key.pem");
	cert = path_join(folder, "server.pem");
	key = path_join(folder, "server-key.pem");
	return pki_make_ca(
		&(struct pki_ca_spec){
			.cert_path = ca, .key_path = ca_key, .organization = "test", .now = NOW, .days = 1000 },
		&err);
}

static int end(void **state)
{
	(void)state;
	int r = file_remove_tree(folder, &err);
	free(folder);
	free(ca);
	free(ca_key);
	free(cert);
	free(key);
	return r;
}

static int make_server(const struct strv *names)
{
	return pki_make_cert(&(struct pki_cert_spec){ .ca_cert_path = ca,
						      .ca_key_path = ca_key,
						      .cert_path = cert,
						      .key_path = key,
						      .organization = "test",
						      .common_name = "m1",
						      .role = PKI_SERVER,
						      .names = names,
						      .now = NOW,
						      .days = 100 },
			     &err);
}

static void default_names(struct strv *names)
{
	strv_push(names, "localhost");
	strv_push(names, "127.0.0.1");
	strv_push(names, "::1");
}

static void openssl_verifies_a_server_certificate_for_its_names_only(void **state)
{
	cleanup_strv struct strv names = STRV_INIT;

	(void)state;
	default_names(&names);
	assert_ok(make_server(&names), &err);
	const char *const good[] = { "openssl",  "verify",    "-CAfile",    ca,          "-attime", "1800000000",
				     "-purpose", "sslserver", "-verify_ip", "127.0.0.1", cert,      NULL };
	assert_ok(proc_output(good, NULL, &err), &err);
	const char *const other[] = { "openssl",    "verify",     "-CAfile",  ca,   "-attime",
				      "1800000000", "-verify_ip", "10.0.0.1", cert, NULL };
	assert_int_equal(proc_output(other, NULL, &err), -EPROTO);
	const char *const client[] = { "openssl",    "verify",   "-CAfile",   ca,   "-attime",
				       "1800000000", "-purpose", "sslclient", cert, NULL };
	assert_int_equal(proc_output(client, NULL, &err), -EPROTO);
}

static void keys_are_private(void **state)
{
	struct stat st;

	(void)state;
	assert_ok(make_server(NULL), &err);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(ca_key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void the_check_sees_names_time_and_key(void **state)
{
	cleanup_strv struct strv names = STRV_INIT, more = STRV_INIT;

	(void)state;
	default_names(&names);
	assert_ok(make_server(&names), &err);
	assert_int_equal(pki_check(ca, cert, key, &names, NOW, 30, &err), 1);
	assert_int_equal(pki_check(ca, cert, key, NULL, NOW + 101 * 86400, 0, &err), 0);
	assert_contains(err.msg, "expired");
	assert_int_equal(pki_check(ca, cert, key, NULL, NOW + 80 * 86400, 30, &err), 0);
	strv_push(&more, "10.0.2.15");
	assert_int_equal(pki_check(ca, cert, key, &more, NOW, 0, &err), 0);
	assert_contains(err.msg, "is not for 10.0.2.15");
	assert_int_equal(pki_check(ca, cert, ca_key, NULL, NOW, 0, &err), 0);
	assert_contains(err.msg, "does not belong to");
	assert_int_equal(pki_check(ca, "/no/cert", key, NULL, NOW, 0, &err), -ENOENT);
}

static void a_certificate_of_another_ca_does_not_pass(void **state)
{
	cleanup_free char *other = path_join(folder, "other.pem"), *other_key = path_join(folder, "other-key.pem");

	(void)state;
	assert_ok(make_server(NULL), &err);
	assert_ok(pki_make_ca(&(struct pki_ca_spec){ .cert_path = other,
						     .key_path = other_key,
						     .organization = "test",
						     .now = NOW,
						     .days = 1000 },
			      &err),
		  &err);
	assert_int_equal(pki_check(other, cert, key, NULL, NOW, 0, &err), 0);
}

static void a_renewed_ca_is_good_for_what_the_old_one_signed(void **state)
{
	const time_t later = NOW + 50 * 86400;
	struct pki_ca_spec spec = {
		.cert_path = ca, .key_path = ca_key, .organization = "test", .now = later, .days = 1000
	};
	cleanup_free char *old = path_join(folder, "old.pem");

	(void)state;
	assert_ok(make_server(NULL), &err);
	assert_ok(file_copy(ca, old, 0644, &err), &err);
	assert_ok(pki_renew_ca(&spec, &err), &err);
	assert_int_equal(pki_check(ca, ca, ca_key, NULL, NOW + 1040 * 86400, 0, &err), 1);
	assert_int_equal(pki_check(old, old, ca_key, NULL, NOW + 1040 * 86400, 0, &err), 0);
	assert_int_equal(pki_check(ca, cert, key, NULL, later, 30, &err), 1);
	assert_ok(make_server(NULL), &err);
	assert_int_equal(pki_check(old, cert, key, NULL, later, 30, &err), 1);
}

static void a_ca_of_somebody_else_is_not_renewed(void **state)
{
	cleanup_buf struct buf before = BUF_INIT, after = BUF_INIT;
	struct pki_ca_spec spec = {
		.cert_path = ca, .key_path = ca_key, .organization = "other", .now = NOW, .days = 1000
	};

	(void)state;
	assert_ok(file_read(ca, 65536, &before, &err), &err);
	assert_int_equal(pki_renew_ca(&spec, &err), -EPERM);
	spec.organization = "test";
	spec.key_path = key;
	assert_ok(make_server(NULL), &err);
	assert_int_equal(pki_renew_ca(&spec, &err), -EPERM); // a key of something else
	assert_ok(file_read(ca, 65536, &after, &err), &err);
	assert_string_equal(buf_str(&before), buf_str(&after));
}

static void foreign_bytes_are_refused(void **state)
{
	cleanup_strv struct strv names = STRV_INIT;

	(void)state;
	assert_ok(file_replace_text(cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0644, &err),
		  &err);
	assert_ok(file_replace_text(key, "not a key", 0600, &err), &err);
	assert_int_equal(pki_check(ca, cert, key, NULL, NOW, 0, &err), -EBADMSG);
	strv_push(&names, "a,DNS:evil");
	assert_int_equal(make_server(&names), -EINVAL);
	assert_contains(err.msg, "cannot be a certificate's name");
	assert_ok(file_replace_text(ca_key, "", 0600, &err), &err);
	assert_int_equal(make_server(NULL), -EBADMSG);
}

#define with_ca(test) cmocka_unit_test_setup_teardown(test, start, end)

static void certificates_of_people_are_read_in_every_form(void **state)
{
	cleanup_buf struct buf one = BUF_INIT, two = BUF_INIT, der = BUF_INIT, all = BUF_INIT, again = BUF_INIT;
	const char *to_der[] = { "openssl", "x509", "-in", ca, "-outform", "DER", NULL };
	struct proc_spec spec = { .argv = to_der, .out = PROC_CAPTURE, .out_buf = &der };

	(void)state;
	assert_ok(file_read(ca, 65536, &one, &err), &err);
	assert_ok(proc_check(&spec, &err), &err);
	buf_printf(&two, "A CA of ours\n%s\r\nand again\n%s", buf_str(&one), buf_str(&one));
	assert_ok(file_read(ca_key, 65536, &two, &err), &err); // a key beside them is none of our business
	assert_int_equal(pki_read_certificates(one.data, one.len, "one", &all, &err), 1);
	assert_string_equal(buf_str(&all), buf_str(&one));
	assert_int_equal(pki_read_certificates(two.data, two.len, "two", &again, &err), 2);
	assert_null(strstr(buf_str(&again), "KEY"));
	buf_clear(&all);
	assert_int_equal(pki_read_certificates(der.data, der.len, "der", &all, &err), 1);
	assert_string_equal(buf_str(&all), buf_str(&one));
}

static void what_is_no_certificate_adds_nothing(void **state)
{
	cleanup_buf struct buf text = BUF_INIT, all = BUF_INIT;

	(void)state;
	assert_int_equal(pki_read_certificates("", 0, "empty", &all, &err), -EBADMSG);
	assert_contains(err.msg, "empty holds no certificate");
	assert_int_equal(pki_read_certificates("hello", 5, "text", &all, &err), -EBADMSG);
	assert_int_equal(pki_read_certificates("\x30\x82\x01\x00", 4, "der", &all, &err), -EBADMSG);
	assert_ok(file_read(ca, 65536, &text, &err), &err);
	buf_puts(&text, "-----BEGIN CERTIFICATE-----\nMIIBroken\n-----END CERTIFICATE-----\n");
	assert_int_equal(pki_read_certificates(text.data, text.len, "second.pem", &all, &err), -EBADMSG);
	assert_contains(err.msg, "second.pem");
	assert_int_equal(pki_read_certificates(text.data, text.len - 20, "cut.pem", &all, &err), -EBADMSG);
	assert_int_equal(all.len, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_ca(openssl_verifies_a_server_certificate_for_its_names_only),
		with_ca(keys_are_private),
		with_ca(the_check_sees_names_time_and_key),
		with_ca(a_certificate_of_another_ca_does_not_pass),
		with_ca(a_renewed_ca_is_good_for_what_the_old_one_signed),
		with_ca(a_ca_of_somebody_else_is_not_renewed),
		with_ca(foreign_bytes_are_refused),
		with_ca(certificates_of_people_are_read_in_every_form),
		with_ca(what_is_no_certificate_adds_nothing),
	};

	return cmocka_run_group_tests_name("pki", tests, NULL, NULL);
}
