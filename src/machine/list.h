// SPDX-License-Identifier: Apache-2.0
// What `ls` shows of a machine (format) and which machines it shows (filter).
#pragma once

#include "query.h"

// Expands "{{.Name}}" and the like for one machine, "\t" and "\n" for themselves. NULL for the machine: the headers.
// EINVAL, naming it, for a field or an expression that is not known.
int list_format(const char *format, const struct query *q, struct buf *ret, struct error *err) MUST_CHECK;

struct list_filter {
	struct strv driver, label, name, state, swarm;
};

// Reads "KEY=VALUE" flags.
int list_filter_parse(const struct strv *flags, struct list_filter *ret, struct error *err) MUST_CHECK;
void list_filter_done(struct list_filter *f);
// Several values of one key mean or, several keys and. 1 or 0; negative for a broken regular expression.
int list_filter_match(const struct list_filter *f, const struct query *q, struct error *err) MUST_CHECK;
