// SPDX-License-Identifier: Apache-2.0
// JSON through jansson: reading files bounded, writing them atomically, and typed access that never aborts.
#pragma once

#include "error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define cleanup_json CLEANUP(json_cleanup)
static inline void json_cleanup(json_t **j)
{
	json_decref(*j);
}

// Reads a file of at most `max` bytes; the error names file, line and what is wrong. The caller decrefs.
int json_read_file(const char *path, size_t max, json_t **ret, struct error *err) MUST_CHECK;
int json_read_text(const char *text, size_t len, const char *what, json_t **ret, struct error *err) MUST_CHECK;
// Replaces the file atomically; 4-space indent (as Docker Machine writes), keys in their order, newline at the end.
int json_write_file(const char *path, const json_t *root, mode_t mode, struct error *err) MUST_CHECK;

// The value at a dotted path ("HostOptions.EngineOptions.Env"), borrowed, or NULL.
json_t *json_at(const json_t *root, const char *path);
// The same, typed: the default when missing or of another type. Strings are borrowed.
const char *json_str_at(const json_t *root, const char *path, const char *fallback);
int64_t json_int_at(const json_t *root, const char *path, int64_t fallback);
bool json_bool_at(const json_t *root, const char *path, bool fallback);
// A string value from bytes of the outside; what is not UTF-8 cannot be in JSON and becomes "". NULL is "", too.
json_t *json_text(const char *text);
// Sets the value at a dotted path, making objects on the way. Takes the reference.
void json_put(json_t *root, const char *path, json_t *value);
