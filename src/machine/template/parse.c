// SPDX-License-Identifier: Apache-2.0
// From a template's text to its tree.
//
// Theory of operation
//
// The text is plain text with actions in {{ }}. One pass over the characters, recursive descent, no token list:
//
//     nodes    = { text | "{{" action "}}" }          until {{end}} or {{else}}, or the end of the text
//     action   = pipeline | ("if"|"with"|"range") pipeline "}}" nodes [ "{{else}}" nodes ] "{{end"
//     pipeline = [ "$x" (":=" | "=") ] command { "|" command }
//     command  = operand { " " operand }
//     operand  = ( "." | "$x" | literal | function | "(" pipeline ")" ) { ".Field" }
//
// "{{- " takes the white space before it away, " -}}" what follows. What Go knows and this does not (define, block, template,
// break, continue, html, …) is an error that names it: a template never means something else here than in Go.
//
// A variable lives until the end of the control structure that it was made in; that it exists is checked here, so rendering
// can rely on it. Text of a user's hand is trusted no more than a stranger's: nesting is bounded (NESTING_MAX), the length too
// (TEXT_MAX), and every read is checked against the end.
#include "scan.h"
#include "template.h"

#include "lib/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { NESTING_MAX = 100, TEXT_MAX = 256 << 10 };

// What ended a list of nodes. After ENDED_BY_ELSE the parser stands behind the word.
enum ending { ENDED_BY_TEXT, ENDED_BY_END, ENDED_BY_ELSE };

static bool variable_exists(const struct parser *p, const char *name)
{
	return !*name || strv_contains(&p->names, name);
}

// $x, the dollar included.
static const char *read_variable_name(struct parser *p)
{
	const char *word;

	p->at++;
	size_t len = scan_word(p, &word);
	return pool_copy(&p->t->pool, word, len);
}

static int read_fields(struct parser *p, struct field **end)
{
	while (scan_peek(p) == '.') {
		const char *word;
		p->at++;
		size_t start = p->at;
		size_t len = scan_is_letter(scan_peek(p)) ? scan_word(p, &word) : 0;
		if (!len)
			return fail(p, start, "a field's name is missing behind \".\"");
		*end = pool_alloc(&p->t->pool, sizeof(**end));
		(*end)->name = pool_copy(&p->t->pool, word, len);
		end = &(*end)->next;
	}
	return 0;
}

static int unknown_function(struct parser *p, size_t at, const char *word, size_t len)
{
	static const char *const keywords[] = { "if",     "with",  "range",    "else",  "end",
						"define", "block", "template", "break", "continue" };
	cleanup_buf struct buf names = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (scan_word_is(word, len, keywords[i]))
			return fail(p, at, "unexpected <%s>", keywords[i]);
	function_list_names(&names);
	return fail(p, at, "function \"%.*s\" not defined; there are: %s", (int)(len > 64 ? 64 : len), word,
		    buf_str(&names));
}

static int read_named(struct parser *p, struct operand *operand)
{
	size_t start = p->at;
	const char *word;
	size_t len = scan_word(p, &word);

	if (scan_word_is(word, len, "true") || scan_word_is(word, len, "false")) {
		operand->type = OPERAND_LITERAL;
		operand->literal = value_from_bool(*word == 't');
		return 0;
	}
	if (scan_word_is(word, len, "nil")) {
		operand->type = OPERAND_NIL;
		return 0;
	}
	operand->type = OPERAND_FUNCTION;
	operand->function = function_find(word, len);
	return operand->function ? 0 : unknown_function(p, start, word, len);
}

static int parse_pipeline(struct parser *p, bool is_range, struct pipeline **ret);

static int read_parentheses(struct parser *p, struct operand *operand)
{
	size_t start = p->at++;

	if (++p->nesting > NESTING_MAX)
		return fail(p, start, "more than %d levels of nesting", NESTING_MAX);
	operand->type = OPERAND_PIPELINE;
	int r = parse_pipeline(p, false, &operand->pipeline);
	p->nesting--;
	if (r < 0)
		return r;
	if (scan_peek(p) != ')')
		return fail(p, start, "unclosed left paren");
	p->at++;
	return read_fields(p, &operand->fields);
}

static int read_variable(struct parser *p, struct operand *operand)
{
	size_t start = p->at;

	operand->type = OPERAND_VARIABLE;
	operand->name = read_variable_name(p);
	if (!variable_exists(p, operand->name))
		return fail(p, start, "undefined variable \"$%.64s\"", operand->name);
	return read_fields(p, &operand->fields);
}

static int read_dot(struct parser *p, struct operand *operand)
{
	operand->type = OPERAND_DOT;
	if (p->at + 1 < p->len && (scan_is_letter(p->text[p->at + 1]) || p->text[p->at + 1] == '.'))
		return read_fields(p, &operand->fields);
	p->at++;
	return 0;
}

static int parse_operand(struct parser *p, struct operand **ret)
{
	struct operand *operand = pool_alloc(&p->t->pool, sizeof(*operand));
	char c = scan_peek(p);

	operand->at = p->at;
	*ret = operand;
	if (scan_is_literal(p)) {
		operand->type = OPERAND_LITERAL;
		return scan_literal(p, &operand->literal);
	}
	if (c == '.')
		return read_dot(p, operand);
	if (c == '$')
		return read_variable(p, operand);
	if (c == '(')
		return read_parentheses(p, operand);
	if (scan_is_letter(c))
		return read_named(p, operand);
	if (p->at >= p->len)
		return fail(p, p->at, "unclosed action: \"}}\" is missing");
	return fail(p, p->at, "unexpected \"%c\" in operand", c);
}

// Operands up to a "|", a ")" or the end of the action.
static int parse_command(struct parser *p, struct command **ret)
{
	struct command *command = pool_alloc(&p->t->pool, sizeof(*command));
	struct operand **end = &command->operands;

	*ret = command;
	for (;;) {
		scan_skip_space(p);
		if (scan_peek(p) == '|' || scan_peek(p) == ')' || scan_is_close(p))
			break;
		int r = parse_operand(p, end);
		if (r < 0)
			return r;
		end = &(*end)->next;
		if (p->at < p->len && !scan_is_space(scan_peek(p)) && scan_peek(p) != '|' && scan_peek(p) != ')' &&
		    !scan_is_close(p))
			return fail(p, p->at, "unexpected \"%c\" after an operand", scan_peek(p));
	}
	return command->operands ? 0 : fail(p, p->at, "missing value for command");
}

// Reads "$x :=", "$i, $e :=" or "$x =" when that is what stands here; else nothing.
static int parse_declaration(struct parser *p, bool is_range, struct pipeline *pipeline)
{
	size_t start = p->at;
	size_t count = 0;

	while (scan_peek(p) == '$') {
		if (count == ARRAY_SIZE(pipeline->variables))
			return fail(p, p->at, "too many variables in front of \":=\"");
		pipeline->variables[count++] = read_variable_name(p);
		scan_skip_space(p);
		if (scan_peek(p) != ',' || !is_range)
			break;
		p->at++;
		scan_skip_space(p);
	}
	pipeline->assigns = scan_peek(p) == '=';
	if (!count || (!pipeline->assigns && !scan_starts_with(p, p->at, ":="))) {
		p->at = start;
		return count > 1 ? fail(p, start, "\":=\" is missing behind the variables") : 0;
	}
	p->at += pipeline->assigns ? 1 : 2;
	pipeline->variable_count = count;
	for (size_t i = 0; i < count && pipeline->assigns; i++)
		if (!variable_exists(p, pipeline->variables[i]))
			return fail(p, start, "undefined variable \"$%.64s\"", pipeline->variables[i]);
	return 0;
}

// The parser ends at the "|"-less end of the pipeline: ")" or the close of the action.
static int parse_pipeline(struct parser *p, bool is_range, struct pipeline **ret)
{
	struct pipeline *pipeline = pool_alloc(&p->t->pool, sizeof(*pipeline));
	struct command **end = &pipeline->commands;

	*ret = pipeline;
	scan_skip_space(p);
	int r = parse_declaration(p, is_range, pipeline);
	while (r == 0) {
		r = parse_command(p, end);
		if (r < 0 || scan_peek(p) != '|')
			break;
		end = &(*end)->next;
		p->at++;
	}
	for (size_t i = 0; i < pipeline->variable_count && !pipeline->assigns; i++)
		strv_push(&p->names, pipeline->variables[i]);
	return r;
}

static void forget_names(struct parser *p, size_t keep)
{
	while (p->names.count > keep) {
		char **last = &p->names.items[--p->names.count];
		free(take_ptr(*last));
	}
}

static int parse_nodes(struct parser *p, struct node **end, enum ending *ret);

// What follows the word "else": another "if", or nodes up to {{end}}.
static int parse_else(struct parser *p, struct node *node);

// Behind the keyword: pipeline, body, and what the body ends with.
static int parse_control(struct parser *p, struct node *node)
{
	size_t outer_names = p->names.count;
	enum ending ending = ENDED_BY_TEXT;

	if (++p->nesting > NESTING_MAX)
		return fail(p, node->at, "more than %d levels of nesting", NESTING_MAX);
	int r = parse_pipeline(p, node->type == NODE_RANGE, &node->pipeline);
	if (r == 0)
		r = scan_close(p);
	size_t own_names = p->names.count;
	if (r == 0)
		r = parse_nodes(p, &node->body, &ending);
	forget_names(p, own_names);
	if (r == 0 && ending == ENDED_BY_TEXT)
		r = fail(p, node->at, "{{end}} is missing");
	if (r == 0 && ending == ENDED_BY_ELSE)
		r = parse_else(p, node);
	forget_names(p, outer_names);
	p->nesting--;
	return r;
}

static int parse_else(struct parser *p, struct node *node)
{
	enum ending ending = ENDED_BY_TEXT;
	size_t start = p->at;
	const char *word;

	scan_skip_space(p);
	if (node->type == NODE_IF && scan_is_letter(scan_peek(p))) {
		size_t at = p->at;
		size_t len = scan_word(p, &word);
		if (scan_word_is(word, len, "if")) {
			node->otherwise = pool_alloc(&p->t->pool, sizeof(*node->otherwise));
			node->otherwise->type = NODE_IF;
			node->otherwise->at = at;
			return parse_control(p, node->otherwise);
		}
		p->at = at;
	}
	int r = scan_close(p);
	if (r == 0)
		r = parse_nodes(p, &node->otherwise, &ending);
	if (r == 0 && ending == ENDED_BY_ELSE)
		return fail(p, p->at, "expected end; found {{else}}");
	if (r == 0 && ending == ENDED_BY_TEXT)
		return fail(p, start, "{{end}} is missing");
	return r;
}

static bool control_type(const char *word, size_t len, enum node_type *ret)
{
	*ret = scan_word_is(word, len, "if")      ? NODE_IF
	       : scan_word_is(word, len, "with")  ? NODE_WITH
	       : scan_word_is(word, len, "range") ? NODE_RANGE
						  : NODE_ACTION;
	return *ret != NODE_ACTION;
}

static bool is_unsupported(const char *word, size_t len)
{
	static const char *const words[] = { "define", "block", "template", "break", "continue" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (scan_word_is(word, len, words[i]))
			return true;
	return false;
}

// Behind "{{". A node, or the ending of the list (*ret_ended).
static int parse_action(struct parser *p, struct node **ret, enum ending *ending, bool *ret_ended)
{
	size_t start = p->at;
	const char *word;
	size_t len = scan_is_letter(scan_peek(p)) ? scan_word(p, &word) : 0;
	enum node_type type = NODE_ACTION;

	if (len && (scan_word_is(word, len, "end") || scan_word_is(word, len, "else"))) {
		*ret_ended = true;
		*ending = scan_word_is(word, len, "end") ? ENDED_BY_END : ENDED_BY_ELSE;
		return *ending == ENDED_BY_END ? scan_close(p) : 0;
	}
	if (len && is_unsupported(word, len))
		return fail(p, start, "{{%.*s}} is not supported", (int)len, word);
	struct node *node = pool_alloc(&p->t->pool, sizeof(*node));
	node->at = start;
	*ret = node;
	if (len && control_type(word, len, &type)) {
		node->type = type;
		return parse_control(p, node);
	}
	p->at = start;
	node->type = NODE_ACTION;
	int r = parse_pipeline(p, false, &node->pipeline);
	return r < 0 ? r : scan_close(p);
}

// {{/* … */}}
static int skip_comment(struct parser *p)
{
	size_t start = p->at;
	const char *end = memmem(p->text + p->at + 2, p->len - p->at - 2, "*/", 2);

	if (!end)
		return fail(p, start, "unclosed comment");
	p->at = (size_t)(end - p->text) + 2;
	int r = scan_close(p);
	return r < 0 ? fail(p, start, "a comment must end with \"*/}}\"") : 0;
}

// The text up to the next action or the end; nothing is made of an empty one.
static struct node **parse_text(struct parser *p, struct node **end)
{
	const char *action = memmem(p->text + p->at, p->len - p->at, "{{", 2);
	size_t start = p->at;
	size_t stop = action ? (size_t)(action - p->text) : p->len;

	p->at = stop;
	while (p->trim_next && start < stop && scan_is_space(p->text[start]))
		start++;
	p->trim_next = false;
	if (action && scan_starts_with(p, stop, "{{-") && stop + 3 < p->len && scan_is_space(p->text[stop + 3])) {
		p->at = stop + 1; // so that the caller's two characters end behind the "-"
		while (stop > start && scan_is_space(p->text[stop - 1]))
			stop--;
	}
	if (start == stop)
		return end;
	*end = pool_alloc(&p->t->pool, sizeof(**end));
	(*end)->type = NODE_TEXT;
	(*end)->text = p->text + start;
	(*end)->len = stop - start;
	return &(*end)->next;
}

static int parse_nodes(struct parser *p, struct node **end, enum ending *ret)
{
	bool ended = false;

	*ret = ENDED_BY_TEXT;
	while (!ended) {
		int r;
		end = parse_text(p, end);
		if (p->at >= p->len)
			return 0;
		p->at += 2;
		scan_skip_space(p);
		if (scan_starts_with(p, p->at, "/*"))
			r = skip_comment(p);
		else
			r = parse_action(p, end, ret, &ended);
		if (r < 0)
			return r;
		if (*end)
			end = &(*end)->next;
	}
	return 0;
}

static int parse_template(struct template *t, struct error *err)
{
	struct parser p = { .t = t, .text = t->text, .len = strlen(t->text), .err = err };
	enum ending ending;

	if (p.len > TEXT_MAX)
		return error_say(err, EFBIG, "the template is longer than %d KiB", TEXT_MAX >> 10);
	int r = parse_nodes(&p, &t->nodes, &ending);
	if (r == 0 && ending != ENDED_BY_TEXT)
		r = template_error(t, p.at, err, "unexpected {{%s}}", ending == ENDED_BY_END ? "end" : "else");
	strv_done(&p.names);
	return r;
}

int template_parse(const char *text, struct template **ret, struct error *err)
{
	struct template *t = xcalloc(1, sizeof(*t));

	t->text = pool_copy(&t->pool, text, strlen(text));
	int r = parse_template(t, err);
	if (r < 0)
		template_free(t);
	else
		*ret = t;
	return r;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	pool_done(&t->pool);
	free(t);
}

void template_cleanup(struct template **t)
{
	template_free(*t);
}

int template_error(const struct template *t, size_t at, struct error *err, const char *fmt, ...)
{
	cleanup_buf struct buf message = BUF_INIT;
	size_t line = 1, column = 1;
	va_list ap;

	for (size_t i = 0; i < at && t->text[i]; i++) {
		line += t->text[i] == '\n';
		column = t->text[i] == '\n' ? 1 : column + 1;
	}
	va_start(ap, fmt);
	buf_vprintf(&message, fmt, ap);
	va_end(ap);
	return error_say(err, EINVAL, "template:%zu:%zu: %s", line, column, buf_str(&message));
}
