// SPDX-License-Identifier: Apache-2.0
// Go templates over JSON, as `inspect --format` and `ls --format` take them.
#pragma once

#include "lib/buf.h"
#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>

struct template;

#define cleanup_template CLEANUP(template_cleanup)

// Errors name the place and what is wrong or not supported there. The caller frees.
int template_parse(const char *text, struct template **ret, struct error *err) MUST_CHECK;
void template_free(struct template *t);
void template_cleanup(struct template **t);

// Appends the output for `data` to `out`. With `fixed_fields` the data is a record, not a map: a field that it does not have is
// an error that lists those it has, instead of "<no value>". On an error `out` holds what was written before it, as in Go.
int template_render(const struct template *t, const json_t *data, bool fixed_fields, struct buf *out,
		    struct error *err) MUST_CHECK;
