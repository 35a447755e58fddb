// SPDX-License-Identifier: Apache-2.0
// The functions that a template may call; a row of the table each.
#include "functions.h"

#include "escape.h"
#include "format.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// Hands the text over to the pool, as a value.
static struct value take_text(struct pool *pool, struct buf *text)
{
	struct value v = value_from_string(pool_copy(pool, buf_str(text), text->len), text->len);

	buf_done(text);
	return v;
}

static int run_json(const struct call *call, struct value *ret, struct error *err)
{
	struct buf text = BUF_INIT;

	(void)err;
	value_add_json(&text, &call->args[0], 0);
	*ret = take_text(call->pool, &text);
	return 0;
}

static int run_prettyjson(const struct call *call, struct value *ret, struct error *err)
{
	struct buf text = BUF_INIT;

	(void)err;
	value_add_json(&text, &call->args[0], 4);
	*ret = take_text(call->pool, &text);
	return 0;
}

static int run_print(const struct call *call, struct value *ret, struct error *err)
{
	struct buf text = BUF_INIT;
	int r = format_print(&text, call->args, call->count, err);

	*ret = take_text(call->pool, &text);
	return r;
}

static int run_println(const struct call *call, struct value *ret, struct error *err)
{
	struct buf text = BUF_INIT;
	int r = format_println(&text, call->args, call->count, err);

	*ret = take_text(call->pool, &text);
	return r;
}

static int run_printf(const struct call *call, struct value *ret, struct error *err)
{
	struct buf text = BUF_INIT;

	if (call->args[0].kind != VALUE_STRING)
		return error_say(err, EINVAL, "the format is of type %s, not a string", value_type(&call->args[0]));
	int r = format_printf(&text, &call->args[0], call->args + 1, call->count - 1, err);
	*ret = take_text(call->pool, &text);
	return r;
}

// The arguments as print has them, escaped.
static int run_escape(const struct call *call, void (*escape)(struct buf *out, const char *text, size_t len),
		      struct value *ret, struct error *err)
{
	cleanup_buf struct buf plain = BUF_INIT;
	struct buf text = BUF_INIT;
	int r = format_print(&plain, call->args, call->count, err);

	if (r == 0)
		escape(&text, buf_str(&plain), plain.len);
	if (text.len > FORMAT_OUTPUT_MAX)
		r = error_say(err, EFBIG, "the output is longer than %d MiB", FORMAT_OUTPUT_MAX >> 20);
	*ret = take_text(call->pool, &text);
	return r;
}

static int run_html(const struct call *call, struct value *ret, struct error *err)
{
	return run_escape(call, escape_html, ret, err);
}

static int run_js(const struct call *call, struct value *ret, struct error *err)
{
	return run_escape(call, escape_js, ret, err);
}

static int run_urlquery(const struct call *call, struct value *ret, struct error *err)
{
	return run_escape(call, escape_url, ret, err);
}

static int run_len(const struct call *call, struct value *ret, struct error *err)
{
	const struct value *v = &call->args[0];

	switch (v->kind) {
	case VALUE_STRING:
		*ret = value_from_int((int64_t)v->len);
		return 0;
	case VALUE_ARRAY:
		*ret = value_from_int((int64_t)json_array_size(v->json));
		return 0;
	case VALUE_OBJECT:
		*ret = value_from_int((int64_t)json_object_size(v->json));
		return 0;
	default:
		return error_say(err, EINVAL, "len of type %s", value_type(v));
	}
}

static int index_position(const struct value *key, size_t size, size_t *ret, struct error *err)
{
	int64_t position;

	if (!value_as_integer(key, &position))
		return error_say(err, EINVAL, "cannot index an array with type %s", value_type(key));
	if (position < 0 || (uint64_t)position >= size)
		return error_say(err, ERANGE, "index out of range: %" PRId64 ", there are %zu", position, size);
	*ret = (size_t)position;
	return 0;
}

static int index_once(const struct value *in, const struct value *key, struct value *ret, struct error *err)
{
	size_t position = 0;
	int r;

	switch (in->kind) {
	case VALUE_OBJECT:
		if (key->kind != VALUE_STRING)
			return error_say(err, EINVAL, "cannot index a map with type %s", value_type(key));
		*ret = value_from_json(json_object_get(in->json, key->text));
		return 0;
	case VALUE_ARRAY:
		r = index_position(key, json_array_size(in->json), &position, err);
		if (r == 0)
			*ret = value_from_json(json_array_get(in->json, position));
		return r;
	case VALUE_STRING:
		r = index_position(key, in->len, &position, err);
		if (r == 0)
			*ret = value_from_int((unsigned char)in->text[position]);
		return r;
	case VALUE_MISSING:
	case VALUE_NULL:
		return error_say(err, EINVAL, "index of untyped nil");
	default:
		return error_say(err, EINVAL, "can't index item of type %s", value_type(in));
	}
}

static int run_index(const struct call *call, struct value *ret, struct error *err)
{
	struct value at = call->args[0];

	for (size_t i = 1; i < call->count; i++) {
		int r = index_once(&at, &call->args[i], &at, err);
		if (r < 0)
			return r;
	}
	*ret = at;
	return 0;
}

// One of the two bounds of a slice: `least`..size, `fallback` when it is not given.
static int slice_bound(const struct call *call, size_t arg, size_t least, size_t size, size_t fallback, size_t *ret,
		       struct error *err)
{
	int64_t bound;

	*ret = fallback;
	if (arg >= call->count)
		return 0;
	if (!value_as_integer(&call->args[arg], &bound))
		return error_say(err, EINVAL, "cannot slice with type %s", value_type(&call->args[arg]));
	if (bound < 0 || (uint64_t)bound < least || (uint64_t)bound > size)
		return error_say(err, ERANGE, "slice bounds out of range: %" PRId64 " of %zu", bound, size);
	*ret = (size_t)bound;
	return 0;
}

static struct value slice_array(const struct call *call, size_t from, size_t to)
{
	const json_t *whole = call->args[0].json;
	json_t *part = json_array();

	for (size_t i = from; i < to; i++)
		json_array_append(part, json_array_get(whole, i));
	return value_from_json(pool_keep(call->pool, part));
}

// slice X [FROM [TO]]: of an array, or of a string's bytes.
static int run_slice(const struct call *call, struct value *ret, struct error *err)
{
	const struct value *v = &call->args[0];
	bool is_array = v->kind == VALUE_ARRAY;
	size_t from = 0, to = 0;

	if (!is_array && v->kind != VALUE_STRING)
		return error_say(err, EINVAL, "can't slice item of type %s", value_type(v));
	size_t size = is_array ? json_array_size(v->json) : v->len;
	int r = slice_bound(call, 1, 0, size, 0, &from, err);
	if (r == 0)
		r = slice_bound(call, 2, from, size, size, &to, err);
	if (r < 0)
		return r;
	*ret = is_array ? slice_array(call, from, to) : value_from_string(v->text + from, to - from);
	return 0;
}

static int run_not(const struct call *call, struct value *ret, struct error *err)
{
	(void)err;
	*ret = value_from_bool(!value_is_true(&call->args[0]));
	return 0;
}

static int compare_strings(const struct value *a, const struct value *b)
{
	size_t common = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->text, b->text, common);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

// <0, 0 or >0 in *ret. Values of different types, and types without an order, are an error.
static int compare(const struct value *a, const struct value *b, int *ret, struct error *err)
{
	double x, y;

	if (a->kind == VALUE_INT && b->kind == VALUE_INT) {
		*ret = (a->integer > b->integer) - (a->integer < b->integer);
		return 0;
	}
	if (value_as_number(a, &x) && value_as_number(b, &y)) {
		*ret = (x > y) - (x < y);
		return 0;
	}
	if (a->kind == VALUE_STRING && b->kind == VALUE_STRING) {
		*ret = compare_strings(a, b);
		return 0;
	}
	return error_say(err, EINVAL, "%s and %s cannot be compared", value_type(a), value_type(b));
}

static int equals(const struct value *a, const struct value *b, bool *ret, struct error *err)
{
	int order = 0;
	int r = 0;

	if (value_is_nil(a) || value_is_nil(b)) {
		*ret = value_is_nil(a) && value_is_nil(b);
		return 0;
	}
	if (a->kind == VALUE_BOOL && b->kind == VALUE_BOOL)
		order = a->boolean != b->boolean;
	else
		r = compare(a, b, &order, err);
	*ret = order == 0;
	return r;
}

// eq A B…: is A one of the others?
static int run_eq(const struct call *call, struct value *ret, struct error *err)
{
	bool same = false;
	int r = 0;

	for (size_t i = 1; i < call->count && r == 0 && !same; i++)
		r = equals(&call->args[0], &call->args[i], &same, err);
	*ret = value_from_bool(same);
	return r;
}

static int run_ne(const struct call *call, struct value *ret, struct error *err)
{
	bool same = false;
	int r = equals(&call->args[0], &call->args[1], &same, err);

	*ret = value_from_bool(!same);
	return r;
}

static int run_lt(const struct call *call, struct value *ret, struct error *err)
{
	int order = 0;
	int r = compare(&call->args[0], &call->args[1], &order, err);

	*ret = value_from_bool(order < 0);
	return r;
}

static int run_le(const struct call *call, struct value *ret, struct error *err)
{
	int order = 0;
	int r = compare(&call->args[0], &call->args[1], &order, err);

	*ret = value_from_bool(order <= 0);
	return r;
}

static int run_gt(const struct call *call, struct value *ret, struct error *err)
{
	int order = 0;
	int r = compare(&call->args[0], &call->args[1], &order, err);

	*ret = value_from_bool(order > 0);
	return r;
}

static int run_ge(const struct call *call, struct value *ret, struct error *err)
{
	int order = 0;
	int r = compare(&call->args[0], &call->args[1], &order, err);

	*ret = value_from_bool(order >= 0);
	return r;
}

static const struct function functions[] = {
	{ "and", 1, 0, NULL },
	{ "eq", 2, 0, run_eq },
	{ "ge", 2, 2, run_ge },
	{ "gt", 2, 2, run_gt },
	{ "html", 1, 0, run_html },
	{ "index", 1, 0, run_index },
	{ "js", 1, 0, run_js },
	{ "json", 1, 1, run_json },
	{ "le", 2, 2, run_le },
	{ "len", 1, 1, run_len },
	{ "lt", 2, 2, run_lt },
	{ "ne", 2, 2, run_ne },
	{ "not", 1, 1, run_not },
	{ "or", 1, 0, NULL },
	{ "prettyjson", 1, 1, run_prettyjson },
	{ "print", 0, 0, run_print },
	{ "printf", 1, 0, run_printf },
	{ "println", 0, 0, run_println },
	{ "slice", 1, 3, run_slice },
	{ "urlquery", 1, 0, run_urlquery },
};

const struct function *function_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
			return &functions[i];
	return NULL;
}

void function_list_names(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		buf_printf(out, "%s%s", i ? ", " : "", functions[i].name);
}
