// SPDX-License-Identifier: Apache-2.0
// Files from the web, by http and https.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <stdbool.h>

// True for http:// and https://.
bool fetch_is_url(const char *text);
// Fetches what is at the URL into `path`, which is replaced as a whole when all is there; nothing is fetched when the file is
// there and the server says that it has not changed. A transfer that was interrupted is resumed by the next call. Where the
// server has URL.sha256, the file must have that digest. Shows how far it is. Errors: ENOENT (404), EBADMSG (digest), EINTR.
int fetch_file(const char *url, const char *path, struct error *err) MUST_CHECK;
// Fetches a small text of at most `max` bytes, appended to `ret`.
int fetch_text(const char *url, size_t max, struct buf *ret, struct error *err) MUST_CHECK;

// Checks a local file against FILE.sha256, where there is one; `digest` is the file's.
int fetch_check_beside(const char *path, const char *digest, struct error *err) MUST_CHECK;
// The digest at the start of a .sha256 file's text (64 hexadecimal digits, then its end or white space), in lower case.
int fetch_parse_digest(const char *text, char ret_hex[65], struct error *err) MUST_CHECK;
// The address of the ISO of the newest release: of https://api.github.com/repos/OWNER/NAME/releases (also …/latest, also of a
// GitHub Enterprise server) as Docker Machine finds it. Any other URL is given back as it is. The caller frees.
int fetch_release_url(const char *url, char **ret, struct error *err) MUST_CHECK;
