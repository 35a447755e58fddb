// SPDX-License-Identifier: Apache-2.0
// Text made harmless for HTML, JavaScript and URLs, as Go's template package does it.
#pragma once

#include "lib/buf.h"

void escape_html(struct buf *out, const char *text, size_t len);
void escape_js(struct buf *out, const char *text, size_t len);
void escape_url(struct buf *out, const char *text, size_t len);
