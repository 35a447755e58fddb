// SPDX-License-Identifier: Apache-2.0
// b2d-trust: adds people's certificates to the bundle of those that the system trusts. A program of its own, because it needs
// OpenSSL and PID 1 does not; it is only run when there is something to add.
#include "lib/buf.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"

#include "lib/pki.h"

#define FILE_MAX (256 * 1024)
#define BUNDLE_MAX (16 * 1024 * 1024)

// A file with something broken in it adds nothing: half a chain would only fail later, and less clearly.
static void add_file(const char *path, struct buf *bundle)
{
	cleanup_buf struct buf data = BUF_INIT;
	struct error err = ERROR_INIT;
	int r = file_read(path, FILE_MAX, &data, &err);

	if (r == 0)
		r = pki_read_certificates(data.data, data.len, path, bundle, &err);
	if (r < 0)
		log_warn("skipped: %s", err.msg);
	else
		log_info("%s: %d certificate%s", path, r, r == 1 ? "" : "s");
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf bundle = BUF_INIT;
	struct error err = ERROR_INIT;
	int r;

	log_set_sink(log_sink_stderr, NULL);
	if (argc < 3) {
		fprintf(stderr, "usage: b2d-trust BUNDLE FILE…\n"
				"Adds the certificates of the files (PEM or DER) to a bundle in PEM.\n");
		return 2;
	}
	r = file_read(argv[1], BUNDLE_MAX, &bundle, &err);
	if (r == 0) {
		if (bundle.len > 0 && bundle.data[bundle.len - 1] != '\n')
			buf_putc(&bundle, '\n');
		for (int i = 2; i < argc; i++)
			add_file(argv[i], &bundle);
		r = file_replace(argv[1], bundle.data, bundle.len, 0644, &err);
	}
	if (r < 0)
		log_error("%s", err.msg);
	return r < 0 ? 1 : 0;
}
