// SPDX-License-Identifier: Apache-2.0
// What a template computes with: JSON values of the data, and the booleans, numbers and strings that come up on the way.
//
// A value owns nothing: JSON is borrowed from the data, computed strings live in the rendering's pool.
#pragma once

#include "lib/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum value_kind {
	VALUE_MISSING, // a key that an object does not have
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_INT, // Go's int: literals, len, indexes
	VALUE_FLOAT, // Go's float64: every number of the data
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_OBJECT,
};

struct value {
	enum value_kind kind;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct {
			const char *text;
			size_t len;
		};
		const json_t *json; // arrays and objects
	};
};

struct value value_from_json(const json_t *json); // NULL: missing
struct value value_from_bool(bool boolean);
struct value value_from_int(int64_t integer);
struct value value_from_string(const char *text, size_t len);

bool value_is_nil(const struct value *v); // missing or null
// As `if` sees it: false, 0, "", empty and nil are not true.
bool value_is_true(const struct value *v);
// The value as a whole number: an int, or a float without a fraction (the data's numbers are all floats).
bool value_as_integer(const struct value *v, int64_t *ret);
bool value_as_number(const struct value *v, double *ret);
// The type as Go names it: "string", "float64", "map[string]interface {}", …
const char *value_type(const struct value *v);

// An object's keys in the order of bytes, as Go walks a map. Borrowed names; the caller frees the array.
const char **value_sorted_keys(const json_t *object, size_t *ret_count);
// Go's %g with the fewest digits that give the number back (what %v prints for a float64).
void value_add_float(struct buf *out, double number);
// JSON as Go's encoder writes it: keys sorted, <, > and & escaped. `indent` 0: in one line.
void value_add_json(struct buf *out, const struct value *v, unsigned indent);
