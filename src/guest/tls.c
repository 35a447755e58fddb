// SPDX-License-Identifier: Apache-2.0
// The certificates of the engine's TLS port.
//
// b2d-certs checks and makes them, but to load OpenSSL costs a good part of a second under emulation, at every start. So when
// it has found all well, that is written down with the names and the state of the files, and for a week the same needs no
// second look; it renews certificates a month before they expire.
#include "tls.h"

#include "bootlog.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"
#include "network.h"
#include "timeline.h"
#include "users.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ADDRESS_WAIT_MS 3000
#define STAMP_DAYS 7

// The addresses that the server certificate has to name. DHCP runs at the same time as the boot: it gets a moment.
static void wait_for_address(const struct guest *g, const struct strv *interfaces, struct strv *ret)
{
	int64_t deadline = clock_ms() + ADDRESS_WAIT_MS;

	for (size_t i = 0; i < interfaces->count; i++) {
		size_t before = ret->count;

		network_addresses(interfaces->items[i], ret);
		// Only for the first: the others may well be without a server.
		while (i == 0 && ret->count == before && network_is_ethernet(g, interfaces->items[i]) &&
		       clock_ms() < deadline) {
			clock_sleep_ms(20);
			network_addresses(interfaces->items[i], ret);
		}
	}
}

static void certificate_names(const struct guest *g, const struct profile *p, struct strv *ret)
{
	static const char *const always[] = { "localhost", "127.0.0.1", "::1", NULL };
	cleanup_free char *hostname = guest_read(g, "/proc/sys/kernel/hostname");
	cleanup_strv struct strv interfaces = STRV_INIT;

	strv_push(ret, hostname && *hostname ? hostname : "boot2docker");
	strv_push_all(ret, always);
	strv_split(&interfaces, p->values[PROFILE_CERT_INTERFACES], " \t\n");
	wait_for_address(g, &interfaces, ret);
}

static int run_certs(const struct profile *p, const struct strv *names, struct error *err)
{
	static const struct {
		const char *flag;
		enum profile_name value;
	} flags[] = {
		{ "--ca-cert", PROFILE_CACERT },         { "--ca-key", PROFILE_CAKEY },
		{ "--server-cert", PROFILE_SERVERCERT }, { "--server-key", PROFILE_SERVERKEY },
		{ "--client-cert", PROFILE_CERT },       { "--client-key", PROFILE_KEY },
		{ "--organization", PROFILE_ORG },       { "--server-organization", PROFILE_SERVERORG },
		{ "--ca-organization", PROFILE_CAORG },
	};
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_buf struct buf told = BUF_INIT;
	struct proc_spec spec = { .timeout_ms = 60000, .errs = PROC_CAPTURE, .err_buf = &told };
	int r;

	strv_push(&argv, GUEST_PROGRAMS "/b2d-certs");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		strv_push(&argv, flags[i].flag);
		strv_push(&argv, p->values[flags[i].value]);
	}
	for (size_t i = 0; i < names->count; i++) {
		strv_push(&argv, "--name");
		strv_push(&argv, names->items[i]);
	}
	if (!p->is_set[PROFILE_CACERT])
		strv_push(&argv, "--renew-ca");
	spec.argv = (const char *const *)strv_argv(&argv);
	r = proc_check(&spec, err);
	strv_split(&lines, buf_str(&told), "\n");
	for (size_t i = 0; r == 0 && i < lines.count; i++)
		log_info("certificates: %s", lines.items[i]);
	return r;
}

char *tls_stamp(const struct profile *p, const struct strv *names)
{
	static const enum profile_name files[] = { PROFILE_CACERT,    PROFILE_CAKEY, PROFILE_SERVERCERT,
						   PROFILE_SERVERKEY, PROFILE_CERT,  PROFILE_KEY };
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < names->count; i++)
		buf_printf(&text, "%s\n", names->items[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct stat st = { .st_size = -1 };

		(void)!stat(p->values[files[i]], &st); // a missing file has size -1 here
		buf_printf(&text, "%s %lld %lld.%09ld\n", p->values[files[i]], (long long)st.st_size,
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	}
	return buf_steal(&text);
}

static bool is_fresh(const char *stamp_path, const char *stamp)
{
	cleanup_buf struct buf kept = BUF_INIT;
	time_t now = time(NULL);
	struct stat st;

	return stat(stamp_path, &st) == 0 && st.st_mtime <= now && now - st.st_mtime < STAMP_DAYS * 86400 &&
	       file_read(stamp_path, 64 * 1024, &kept, NULL) == 0 && strcmp(buf_str(&kept), stamp) == 0;
}

// Makes or renews what needs it.
static int ensure_own(const struct guest *g, const struct profile *p, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_free char *path = path_join(p->values[PROFILE_CERTDIR], ".checked");
	cleanup_free char *before = NULL, *after = NULL;
	int r;

	certificate_names(g, p, &names);
	before = tls_stamp(p, &names);
	if (is_fresh(path, before))
		return 0;
	r = run_certs(p, &names, err);
	if (r < 0)
		return r;
	after = tls_stamp(p, &names);
	(void)!file_replace_text(path, after, 0600, NULL); // without it the next start looks again
	return 0;
}

// The client's files, where the docker client looks for them.
static void copy_client_files(const struct guest *g, const struct profile *p)
{
	static const struct {
		enum profile_name from;
		const char *to;
		mode_t mode;
	} files[] = { { PROFILE_CACERT, "ca.pem", 0644 },
		      { PROFILE_CERT, "cert.pem", 0644 },
		      { PROFILE_KEY, "key.pem", 0600 } };
	cleanup_free char *folder = guest_path(g, "/home/docker/.docker");
	struct error err = ERROR_INIT;
	struct user docker;

	if (user_find(g, "docker", &docker, &err) < 0 || file_mkdirs(folder, 0700, &err) < 0) {
		log_warn("client certificates: %s", err.msg);
		return;
	}
	(void)!lchown(folder, docker.uid, docker.gid);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *to = path_join(folder, files[i].to);

		if (!file_exists(p->values[files[i].from]))
			continue;
		if (file_copy(p->values[files[i].from], to, files[i].mode, &err) < 0)
			log_warn("client certificates: %s", err.msg);
		else
			(void)!lchown(to, docker.uid, docker.gid);
	}
	user_done(&docker);
}

static bool tls_files_exist(const struct profile *p)
{
	return file_exists(p->values[PROFILE_CACERT]) && file_exists(p->values[PROFILE_SERVERCERT]) &&
	       file_exists(p->values[PROFILE_SERVERKEY]);
}

// A CA without its key was given by somebody who makes the server's certificate as well (Docker Machine): theirs are used as they
// are.
bool tls_ensure(const struct guest *g, const struct profile *p)
{
	struct error err = ERROR_INIT;
	int64_t start = bootlog_now_us();
	bool given = p->is_set[PROFILE_CACERT] && !p->is_set[PROFILE_CAKEY];
	int r = 0;

	if (!given)
		r = ensure_own(g, p, &err);
	else if (!tls_files_exist(p))
		r = error_say(&err, ENOENT, "the profile gives CACERT without CAKEY, and not all of %s, %s, %s exist",
			      p->values[PROFILE_CACERT], p->values[PROFILE_SERVERCERT], p->values[PROFILE_SERVERKEY]);
	if (r < 0)
		log_error("certificates: %s", err.msg);
	copy_client_files(g, p);
	timeline_add(g, &(struct timeline_row){ .kind = TIMELINE_STEP,
						.name = "certificates",
						.after = "profile",
						.start_us = start,
						.end_us = bootlog_now_us(),
						.failed = r < 0 });
	return tls_files_exist(p);
}
