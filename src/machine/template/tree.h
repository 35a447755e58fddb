// SPDX-License-Identifier: Apache-2.0
// A template as parsed: nodes, and in them pipelines of commands of operands. All of it lives in the template's pool.
#pragma once

#include "functions.h"
#include "pool.h"
#include "value.h"

// .Name or $x.Name: a link of a chain of fields.
struct field {
	struct field *next;
	const char *name;
};

enum operand_type {
	OPERAND_DOT,
	OPERAND_VARIABLE, // `name`; "" is $, the whole data
	OPERAND_LITERAL,
	OPERAND_NIL,
	OPERAND_FUNCTION,
	OPERAND_PIPELINE, // in parentheses
};

struct operand {
	struct operand *next;
	enum operand_type type;
	size_t at; // offset in the text, for errors
	const char *name;
	struct value literal;
	const struct function *function;
	struct pipeline *pipeline;
	struct field *fields; // looked up in what the rest gives
};

struct command {
	struct command *next;
	struct operand *operands; // at least one
};

struct pipeline {
	const char *variables[2]; // set to the result; of a `range`, to index and element
	size_t variable_count;
	bool assigns; // `=`: they are there already; `:=`: they are new
	struct command *commands; // at least one
};

enum node_type { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_WITH, NODE_RANGE };

struct node {
	struct node *next;
	enum node_type type;
	size_t at;
	const char *text; // NODE_TEXT
	size_t len;
	struct pipeline *pipeline;
	struct node *body, *otherwise;
};

struct template
{
	struct pool pool;
	const char *text;
	struct node *nodes;
};

// Sets "template:LINE:COLUMN: MESSAGE", of the place `at` in the template's text.
int template_error(const struct template *t, size_t at, struct error *err, const char *fmt, ...) PRINTF_LIKE(4, 5);
