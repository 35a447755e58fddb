// SPDX-License-Identifier: Apache-2.0
// What `ls` shows of a machine (format) and which machines it shows (filter).
#pragma once

#include "query.h"
#include "template/template.h"

struct list_format {
	struct template *line;
	bool is_table; // the format began with "table": headers, columns
	bool shows_engine; // the engine must be asked for what the lines show
};

// Reads a --format: an optional "table", then a template, in which "\t" and "\n" stand for tab and newline. Free
// ret->line.
int list_format_parse(const char *format, struct list_format *ret, struct error *err) MUST_CHECK;
// Appends the line of one machine, or of the headers (NULL), without a newline.
int list_format_line(const struct list_format *format, const struct query *q, struct buf *ret,
		     struct error *err) MUST_CHECK;

struct list_filter {
	struct strv driver, label, name, state, swarm;
};

// Reads "KEY=VALUE" flags.
int list_filter_parse(const struct strv *flags, struct list_filter *ret, struct error *err) MUST_CHECK;
void list_filter_done(struct list_filter *f);
// Several values of one key mean or, several keys and. 1 or 0; negative for a broken regular expression.
int list_filter_match(const struct list_filter *f, const struct query *q, struct error *err) MUST_CHECK;
