// SPDX-License-Identifier: Apache-2.0
// Renders a parsed template over JSON data.
//
// Theory of operation
//
// The tree is walked; what is written goes to `out`, what is computed is a struct value that owns nothing: JSON is borrowed from
// the data, which does not change meanwhile, and strings made on the way live in the rendering's pool until it ends.
//
// What differs from Go's text/template, on purpose: the numbers of the data are float64 there and here, and print as such
// (1000000 is "1e+06"), but where Go refuses to compare or index with a whole one, or to print it by %d, this does it. `and` and
// `or` stop at the first argument that decides, as Go does since 1.18.
//
// A template may come from somebody else, so its work is bounded: nesting by the parser, steps by STEPS_MAX, the output and the
// strings made on the way by FORMAT_OUTPUT_MAX and MEMORY_MAX. The depth of the data is bounded by the JSON parser.
#include "format.h"
#include "template.h"
#include "tree.h"

#include "lib/alloc.h"

#include <errno.h>
#include <string.h>

enum { STEPS_MAX = 1000000, MEMORY_MAX = 16 << 20, BYTES_PER_STEP = 256 };

struct variable {
	const char *name;
	struct value value;
};

struct run {
	const struct template *t;
	const json_t *data;
	bool fixed_fields;
	struct buf *out;
	struct error *err;
	struct pool pool;
	struct variable *variables; // innermost last
	size_t variable_count, variable_capacity;
	size_t steps;
};

#define fail(run, at, ...) template_error((run)->t, (at), (run)->err, __VA_ARGS__)

static int count_steps(struct run *run, size_t at, size_t steps)
{
	run->steps += steps;
	if (run->steps > STEPS_MAX)
		return fail(run, at, "the template takes more than %d steps", STEPS_MAX);
	if (run->pool.bytes > MEMORY_MAX || run->out->len > FORMAT_OUTPUT_MAX)
		return fail(run, at, "the output is longer than %d MiB", FORMAT_OUTPUT_MAX >> 20);
	return 0;
}

static void push_variable(struct run *run, const char *name, struct value value)
{
	if (run->variable_count == run->variable_capacity) {
		run->variable_capacity = run->variable_capacity * 2 + 8;
		run->variables = xreallocarray(run->variables, run->variable_capacity, sizeof(*run->variables));
	}
	run->variables[run->variable_count++] = (struct variable){ name, value };
}

// NULL: it was declared where `and` or `or` did not go; all else the parser has checked.
static struct variable *find_variable(struct run *run, const char *name)
{
	for (size_t i = run->variable_count; i > 0; i--)
		if (strcmp(run->variables[i - 1].name, name) == 0)
			return &run->variables[i - 1];
	return NULL;
}

static void set_variables(struct run *run, const struct pipeline *pipeline, const struct value *values)
{
	for (size_t i = 0; i < pipeline->variable_count; i++) {
		struct variable *old = pipeline->assigns ? find_variable(run, pipeline->variables[i]) : NULL;
		if (old)
			old->value = values[i];
		else
			push_variable(run, pipeline->variables[i], values[i]);
	}
}

static int unknown_field(struct run *run, size_t at, const char *name)
{
	cleanup_buf struct buf known = BUF_INIT;
	size_t count;
	cleanup_free const char **keys = value_sorted_keys(run->data, &count);

	for (size_t i = 0; i < count; i++)
		buf_printf(&known, "%s.%s", i ? " " : "", keys[i]);
	return fail(run, at, "there is no field .%.64s; there are: %s", name, buf_str(&known));
}

static int get_field(struct run *run, size_t at, const char *name, struct value *v)
{
	switch (v->kind) {
	case VALUE_MISSING:
		return 0;
	case VALUE_NULL:
		return fail(run, at, "nil pointer evaluating interface {}.%.64s", name);
	case VALUE_OBJECT: {
		bool is_record = run->fixed_fields && v->json == run->data;
		*v = value_from_json(json_object_get(v->json, name));
		return is_record && v->kind == VALUE_MISSING ? unknown_field(run, at, name) : 0;
	}
	default:
		return fail(run, at, "can't evaluate field %.64s in type %s", name, value_type(v));
	}
}

static int run_pipeline(struct run *run, const struct pipeline *pipeline, const struct value *dot, struct value *ret);
static int run_operand(struct run *run, const struct operand *operand, const struct value *dot, struct value *ret);

struct arguments {
	const struct operand *operands;
	const struct value *piped; // the value of the command before, which comes last; or NULL
};

static size_t count_arguments(const struct arguments *a)
{
	size_t count = a->piped != NULL;

	for (const struct operand *operand = a->operands; operand; operand = operand->next)
		count++;
	return count;
}

// `and` gives the first argument that is not true, `or` the first that is, both else the last.
static int run_and_or(struct run *run, bool stop_at, const struct arguments *a, const struct value *dot,
		      struct value *ret)
{
	for (const struct operand *operand = a->operands; operand; operand = operand->next) {
		int r = run_operand(run, operand, dot, ret);
		if (r < 0 || value_is_true(ret) == stop_at)
			return r;
	}
	if (a->piped)
		*ret = *a->piped;
	return 0;
}

// What a function has to read: long strings cost more steps.
static size_t text_size(const struct value *args, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += args[i].kind == VALUE_STRING ? args[i].len : 0;
	return size;
}

static int call_function(struct run *run, const struct operand *name, const struct arguments *a, size_t count,
			 const struct value *dot, struct value *ret)
{
	cleanup_free struct value *args = xcalloc(count + 1, sizeof(*args));
	struct error why = ERROR_INIT;
	size_t i = 0;

	for (const struct operand *operand = a->operands; operand; operand = operand->next) {
		int r = run_operand(run, operand, dot, &args[i++]);
		if (r < 0)
			return r;
	}
	if (a->piped)
		args[i] = *a->piped;
	int r = count_steps(run, name->at, text_size(args, count) / BYTES_PER_STEP);
	if (r < 0)
		return r;
	const struct call call = { .args = args, .count = count, .pool = &run->pool };
	r = name->function->run(&call, ret, &why);
	return r < 0 ? fail(run, name->at, "error calling %s: %s", name->function->name, why.msg) : 0;
}

static int run_function(struct run *run, const struct operand *name, const struct arguments *a, const struct value *dot,
			struct value *ret)
{
	const struct function *function = name->function;
	size_t count = count_arguments(a);

	if (count < function->least || (function->most && count > function->most))
		return fail(run, name->at, "wrong number of args for %s: want %s%zu got %zu", function->name,
			    function->most ? "" : "at least ", function->least, count);
	int r = count_steps(run, name->at, 1);
	if (r < 0)
		return r;
	if (!function->run)
		return run_and_or(run, strcmp(function->name, "or") == 0, a, dot, ret);
	return call_function(run, name, a, count, dot, ret);
}

static int get_variable(struct run *run, const struct operand *operand, struct value *ret)
{
	const struct variable *variable = find_variable(run, operand->name);

	if (!variable)
		return fail(run, operand->at, "undefined variable \"$%.64s\"", operand->name);
	*ret = variable->value;
	return 0;
}

static int run_operand(struct run *run, const struct operand *operand, const struct value *dot, struct value *ret)
{
	int r = 0;

	switch (operand->type) {
	case OPERAND_DOT:
		*ret = *dot;
		break;
	case OPERAND_VARIABLE:
		r = get_variable(run, operand, ret);
		break;
	case OPERAND_LITERAL:
		*ret = operand->literal;
		break;
	case OPERAND_NIL:
		*ret = (struct value){ .kind = VALUE_NULL };
		break;
	case OPERAND_FUNCTION:
		r = run_function(run, operand, &(struct arguments){ NULL, NULL }, dot, ret);
		break;
	case OPERAND_PIPELINE:
		r = run_pipeline(run, operand->pipeline, dot, ret);
		break;
	}
	for (const struct field *field = operand->fields; field && r == 0; field = field->next)
		r = get_field(run, operand->at, field->name, ret);
	return r;
}

static int run_command(struct run *run, const struct command *command, const struct value *piped,
		       const struct value *dot, struct value *ret)
{
	const struct operand *first = command->operands;
	const struct arguments arguments = { first->next, piped };

	if (first->type == OPERAND_FUNCTION)
		return run_function(run, first, &arguments, dot, ret);
	if (first->type == OPERAND_NIL)
		return fail(run, first->at, "nil is not a command");
	if (count_arguments(&arguments))
		return fail(run, first->at, "can't give arguments to what is not a function");
	return run_operand(run, first, dot, ret);
}

// The value of the last command; the variables are left to the caller.
static int run_commands(struct run *run, const struct pipeline *pipeline, const struct value *dot, struct value *ret)
{
	struct value before = { .kind = VALUE_MISSING };
	bool is_first = true;

	for (const struct command *command = pipeline->commands; command; command = command->next) {
		struct value value = { .kind = VALUE_MISSING };
		int r = run_command(run, command, is_first ? NULL : &before, dot, &value);
		if (r < 0)
			return r;
		before = value;
		is_first = false;
	}
	*ret = before;
	return 0;
}

static int run_pipeline(struct run *run, const struct pipeline *pipeline, const struct value *dot, struct value *ret)
{
	int r = run_commands(run, pipeline, dot, ret);

	if (r == 0)
		set_variables(run, pipeline, ret);
	return r;
}

static int run_nodes(struct run *run, const struct node *nodes, const struct value *dot);

static int run_action(struct run *run, const struct node *node, const struct value *dot)
{
	struct value v = { .kind = VALUE_MISSING };
	int r = run_pipeline(run, node->pipeline, dot, &v);

	if (r < 0 || node->pipeline->variable_count)
		return r;
	if (value_is_nil(&v))
		buf_puts(run->out, "<no value>");
	else
		format_plain(run->out, &v);
	return 0;
}

// {{if}} and {{with}}; the latter changes the dot.
static int run_condition(struct run *run, const struct node *node, const struct value *dot)
{
	struct value v = { .kind = VALUE_MISSING };
	int r = run_pipeline(run, node->pipeline, dot, &v);

	if (r < 0)
		return r;
	if (!value_is_true(&v))
		return run_nodes(run, node->otherwise, dot);
	return run_nodes(run, node->body, node->type == NODE_WITH ? &v : dot);
}

// One turn of {{range}}: one variable is the element, two are index and element.
static int run_turn(struct run *run, const struct node *node, const struct value *key, const struct value *element)
{
	const struct value values[2] = { node->pipeline->variable_count == 2 ? *key : *element, *element };
	size_t outer = run->variable_count;

	set_variables(run, node->pipeline, values);
	int r = count_steps(run, node->at, 1);
	if (r == 0)
		r = run_nodes(run, node->body, element);
	run->variable_count = outer;
	return r;
}

static int run_over_array(struct run *run, const struct node *node, const json_t *array)
{
	int r = 0;

	for (size_t i = 0; i < json_array_size(array) && r == 0; i++) {
		struct value key = value_from_int((int64_t)i);
		struct value element = value_from_json(json_array_get(array, i));
		r = run_turn(run, node, &key, &element);
	}
	return r;
}

static int run_over_object(struct run *run, const struct node *node, const json_t *object)
{
	size_t count;
	cleanup_free const char **keys = value_sorted_keys(object, &count);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct value key = value_from_string(keys[i], strlen(keys[i]));
		struct value element = value_from_json(json_object_get(object, keys[i]));
		r = run_turn(run, node, &key, &element);
	}
	return r;
}

static int run_range(struct run *run, const struct node *node, const struct value *dot)
{
	struct value v = { .kind = VALUE_MISSING };
	int r = run_commands(run, node->pipeline, dot, &v);

	if (r < 0)
		return r;
	if (v.kind != VALUE_ARRAY && v.kind != VALUE_OBJECT && !value_is_nil(&v))
		return fail(run, node->at, "range can't iterate over a %s", value_type(&v));
	if (!value_is_true(&v))
		return run_nodes(run, node->otherwise, dot);
	return v.kind == VALUE_ARRAY ? run_over_array(run, node, v.json) : run_over_object(run, node, v.json);
}

static int run_node(struct run *run, const struct node *node, const struct value *dot)
{
	size_t outer = run->variable_count;
	int r = 0;

	switch (node->type) {
	case NODE_TEXT:
		buf_add(run->out, node->text, node->len);
		return 0;
	case NODE_ACTION:
		return run_action(run, node, dot); // its variables stay
	case NODE_IF:
	case NODE_WITH:
		r = run_condition(run, node, dot);
		break;
	case NODE_RANGE:
		r = run_range(run, node, dot);
		break;
	}
	run->variable_count = outer;
	return r;
}

static int run_nodes(struct run *run, const struct node *nodes, const struct value *dot)
{
	size_t outer = run->variable_count;
	int r = 0;

	for (const struct node *node = nodes; node && r == 0; node = node->next) {
		r = count_steps(run, node->at, 1);
		if (r == 0)
			r = run_node(run, node, dot);
	}
	run->variable_count = outer;
	return r;
}

int template_render(const struct template *t, const json_t *data, bool fixed_fields, struct buf *out, struct error *err)
{
	struct run run = { .t = t, .data = data, .fixed_fields = fixed_fields, .out = out, .err = err };
	struct value dot = value_from_json(data);

	push_variable(&run, "", dot);
	int r = run_nodes(&run, t->nodes, &dot);
	free(run.variables);
	pool_done(&run.pool);
	return r;
}
