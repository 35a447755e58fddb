// SPDX-License-Identifier: Apache-2.0
// What a template computes with; see value.h.
#include "value.h"

#include "lib/alloc.h"
#include "lib/number.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct value value_from_bool(bool boolean)
{
	return (struct value){ .kind = VALUE_BOOL, .boolean = boolean };
}

struct value value_from_int(int64_t integer)
{
	return (struct value){ .kind = VALUE_INT, .integer = integer };
}

struct value value_from_string(const char *text, size_t len)
{
	return (struct value){ .kind = VALUE_STRING, .text = text, .len = len };
}

struct value value_from_json(const json_t *json)
{
	if (!json)
		return (struct value){ .kind = VALUE_MISSING };
	switch (json_typeof(json)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return value_from_bool(json_is_true(json));
	case JSON_INTEGER:
	case JSON_REAL:
		return (struct value){ .kind = VALUE_FLOAT, .number = json_number_value(json) };
	case JSON_STRING:
		return value_from_string(json_string_value(json), json_string_length(json));
	case JSON_ARRAY:
		return (struct value){ .kind = VALUE_ARRAY, .json = json };
	case JSON_OBJECT:
		return (struct value){ .kind = VALUE_OBJECT, .json = json };
	case JSON_NULL:
		break;
	}
	return (struct value){ .kind = VALUE_NULL };
}

bool value_is_nil(const struct value *v)
{
	return v->kind == VALUE_MISSING || v->kind == VALUE_NULL;
}

bool value_is_true(const struct value *v)
{
	switch (v->kind) {
	case VALUE_MISSING:
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_INT:
		return v->integer != 0;
	case VALUE_FLOAT:
		return v->number != 0;
	case VALUE_STRING:
		return v->len > 0;
	case VALUE_ARRAY:
		return json_array_size(v->json) > 0;
	case VALUE_OBJECT:
		return json_object_size(v->json) > 0;
	}
	return false;
}

bool value_as_integer(const struct value *v, int64_t *ret)
{
	const double exact_max = 9007199254740992.0; // 2^53: above it a double skips whole numbers

	if (v->kind == VALUE_INT) {
		*ret = v->integer;
		return true;
	}
	if (v->kind != VALUE_FLOAT || fabs(v->number) > exact_max || (double)(int64_t)v->number != v->number)
		return false;
	*ret = (int64_t)v->number;
	return true;
}

bool value_as_number(const struct value *v, double *ret)
{
	if (v->kind != VALUE_INT && v->kind != VALUE_FLOAT)
		return false;
	*ret = v->kind == VALUE_INT ? (double)v->integer : v->number;
	return true;
}

const char *value_type(const struct value *v)
{
	static const char *const names[] = {
		[VALUE_MISSING] = "<nil>",
		[VALUE_NULL] = "<nil>",
		[VALUE_BOOL] = "bool",
		[VALUE_INT] = "int",
		[VALUE_FLOAT] = "float64",
		[VALUE_STRING] = "string",
		[VALUE_ARRAY] = "[]interface {}",
		[VALUE_OBJECT] = "map[string]interface {}",
	};
	return names[v->kind];
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **value_sorted_keys(const json_t *object, size_t *ret_count)
{
	size_t count = json_object_size(object);
	const char **keys = xcalloc(count + 1, sizeof(*keys));
	size_t i = 0;

	// Jansson's iterator takes the object without const, and does not change it.
	for (void *at = json_object_iter((json_t *)object); at; at = json_object_iter_next((json_t *)object, at))
		keys[i++] = json_object_iter_key(at);
	qsort(keys, count, sizeof(*keys), compare_names);
	*ret_count = count;
	return keys;
}

enum { FLOAT_TEXT = 40 };

// The shortest "D.DDDe±XX" that reads back as the same number.
static void shortest_float(char *text, size_t size, double number)
{
	for (int digits = 0; digits <= 16; digits++) {
		double back = 0;
		snprintf(text, size, "%.*e", digits, number);
		if (number_parse_double(text, &back, NULL) == 0 && back == number)
			return;
	}
}

struct decimal {
	char digits[20]; // without the point
	int count;
	int exponent; // of the first digit
	bool negative;
};

static struct decimal float_to_decimal(double number)
{
	struct decimal d = { .negative = signbit(number) };
	char text[FLOAT_TEXT] = "";

	shortest_float(text, sizeof(text), fabs(number));
	const char *mark = text + strcspn(text, "e");
	for (const char *c = text; c < mark; c++)
		if (*c != '.')
			d.digits[d.count++] = *c;
	if (*mark && number_parse_int(mark + 1, -400, 400, &d.exponent, NULL) < 0)
		d.exponent = 0;
	return d;
}

static void add_exponent_form(struct buf *out, const struct decimal *d, int exponent_digits)
{
	buf_putc(out, d->digits[0]);
	if (d->count > 1)
		buf_printf(out, ".%.*s", d->count - 1, d->digits + 1);
	buf_printf(out, "e%c%0*d", d->exponent < 0 ? '-' : '+', exponent_digits, abs(d->exponent));
}

static void add_plain_form(struct buf *out, const struct decimal *d)
{
	int whole = d->exponent + 1; // digits before the point

	if (whole <= 0) {
		buf_printf(out, "0.%.*s%.*s", -whole, "0000000000", d->count, d->digits);
		return;
	}
	buf_add(out, d->digits, (size_t)(d->count < whole ? d->count : whole));
	for (int i = d->count; i < whole; i++)
		buf_putc(out, '0');
	if (d->count > whole)
		buf_printf(out, ".%.*s", d->count - whole, d->digits + whole);
}

void value_add_float(struct buf *out, double number)
{
	struct decimal d = float_to_decimal(number);

	if (d.negative)
		buf_putc(out, '-');
	if (d.exponent < -4 || d.exponent >= 6)
		add_exponent_form(out, &d, 2);
	else
		add_plain_form(out, &d);
}

// JSON numbers follow JavaScript: the exponent comes later, and has no leading zero.
static void add_json_float(struct buf *out, double number)
{
	struct decimal d = float_to_decimal(number);

	if (d.negative)
		buf_putc(out, '-');
	if (d.exponent < -6 || d.exponent >= 21)
		add_exponent_form(out, &d, 1);
	else
		add_plain_form(out, &d);
}

static void add_json_string(struct buf *out, const char *text, size_t len)
{
	static const char line_ends[][4] = { "\xe2\x80\xa8", "\xe2\x80\xa9" }; // U+2028, U+2029

	buf_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t end = len - i < 3                              ? 2
			     : memcmp(text + i, line_ends[0], 3) == 0 ? 0
			     : memcmp(text + i, line_ends[1], 3) == 0 ? 1
								      : 2;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == '<' || c == '>' || c == '&')
			buf_printf(out, "\\u%04x", c);
		else if (end < 2) {
			buf_puts(out, end ? "\\u2029" : "\\u2028");
			i += 2;
		} else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void add_line(struct buf *out, unsigned indent, unsigned depth)
{
	if (indent)
		buf_printf(out, "\n%*s", (int)(indent * depth), "");
}

static void add_json(struct buf *out, const struct value *v, unsigned indent, unsigned depth);

static void add_json_array(struct buf *out, const json_t *array, unsigned indent, unsigned depth)
{
	size_t count = json_array_size(array);

	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		struct value item = value_from_json(json_array_get(array, i));
		if (i)
			buf_putc(out, ',');
		add_line(out, indent, depth + 1);
		add_json(out, &item, indent, depth + 1);
	}
	if (count)
		add_line(out, indent, depth);
	buf_putc(out, ']');
}

static void add_json_object(struct buf *out, const json_t *object, unsigned indent, unsigned depth)
{
	size_t count;
	cleanup_free const char **keys = value_sorted_keys(object, &count);

	buf_putc(out, '{');
	for (size_t i = 0; i < count; i++) {
		struct value item = value_from_json(json_object_get(object, keys[i]));
		if (i)
			buf_putc(out, ',');
		add_line(out, indent, depth + 1);
		add_json_string(out, keys[i], strlen(keys[i]));
		buf_puts(out, indent ? ": " : ":");
		add_json(out, &item, indent, depth + 1);
	}
	if (count)
		add_line(out, indent, depth);
	buf_putc(out, '}');
}

static void add_json(struct buf *out, const struct value *v, unsigned indent, unsigned depth)
{
	switch (v->kind) {
	case VALUE_MISSING:
	case VALUE_NULL:
		buf_puts(out, "null");
		break;
	case VALUE_BOOL:
		buf_puts(out, v->boolean ? "true" : "false");
		break;
	case VALUE_INT:
		buf_printf(out, "%" PRId64, v->integer);
		break;
	case VALUE_FLOAT:
		add_json_float(out, v->number);
		break;
	case VALUE_STRING:
		add_json_string(out, v->text, v->len);
		break;
	case VALUE_ARRAY:
		add_json_array(out, v->json, indent, depth);
		break;
	case VALUE_OBJECT:
		add_json_object(out, v->json, indent, depth);
		break;
	}
}

void value_add_json(struct buf *out, const struct value *v, unsigned indent)
{
	add_json(out, v, indent, 0);
}
