// SPDX-License-Identifier: Apache-2.0
// The certificates that the system trusts. Programs in Go, OpenSSL and curl all read the one bundle.
#include "truststore.h"

#include "lib/alloc.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <errno.h>

#define FOLDER GUEST_DATA "/certs"
#define BUNDLE "/etc/ssl/certs/ca-certificates.crt"

static void log_lines(const char *text)
{
	cleanup_strv struct strv lines = STRV_INIT;

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++)
		log_info("certificates: %s", lines.items[i]);
}

int truststore_fill(struct guest *g, struct error *err)
{
	static const char *const endings[] = { ".pem", ".crt", NULL };
	cleanup_free char *bundle = guest_path(g, BUNDLE);
	cleanup_strv struct strv files = STRV_INIT, argv = STRV_INIT;
	cleanup_buf struct buf said = BUF_INIT;
	struct proc_spec spec = {
		.out = PROC_CAPTURE, .errs = PROC_CAPTURE, .out_buf = &said, .err_buf = &said, .timeout_ms = 30000
	};
	int r;

	guest_files(g, FOLDER, endings, &files);
	if (files.count == 0)
		return 0;
	strv_push(&argv, GUEST_PROGRAMS "/b2d-trust");
	strv_push(&argv, bundle);
	strv_push_all(&argv, (const char *const *)files.items);
	spec.argv = (const char *const *)strv_argv(&argv);
	r = proc_run(&spec, err);
	log_lines(buf_str(&said));
	return r > 0 ? error_say(err, EPROTO, "the certificates of %s are not trusted, see above", FOLDER) : r;
}
