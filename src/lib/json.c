// SPDX-License-Identifier: Apache-2.0
// JSON through jansson; see json.h.
#include "json.h"

#include "buf.h"
#include "file.h"

#include <errno.h>
#include <string.h>

int json_read_text(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	json_error_t why;
	// Jansson bounds the nesting itself (JSON_PARSER_MAX_DEPTH, 2048).
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return error_say(err, EBADMSG, "%s, line %d: %s", what, why.line, why.text);
	*ret = root;
	return 0;
}

int json_read_file(const char *path, size_t max, json_t **ret, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = file_read(path, max, &text, err);

	if (r < 0)
		return r;
	return json_read_text(buf_str(&text), text.len, path, ret, err);
}

int json_write_file(const char *path, const json_t *root, mode_t mode, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	char *dump = json_dumps(root, JSON_INDENT(4) | JSON_PRESERVE_ORDER);

	if (!dump)
		return error_say(err, EINVAL, "cannot write %s as JSON", path);
	buf_printf(&text, "%s\n", dump);
	free(dump);
	return file_replace(path, text.data, text.len, mode, err);
}

// Copies the path's next component into `name`; returns what follows it, NULL when the component is too long.
static const char *next_component(const char *path, char *name, size_t size)
{
	size_t len = strcspn(path, ".");

	if (len >= size)
		return NULL;
	memcpy(name, path, len);
	name[len] = '\0';
	return path + len + (path[len] == '.');
}

json_t *json_at(const json_t *root, const char *path)
{
	const json_t *at = root;
	char name[128];

	while (at && *path) {
		path = next_component(path, name, sizeof(name));
		if (!path)
			return NULL;
		at = json_object_get(at, name);
	}
	return (json_t *)at;
}

const char *json_str_at(const json_t *root, const char *path, const char *fallback)
{
	const char *value = json_string_value(json_at(root, path));

	return value ? value : fallback;
}

int64_t json_int_at(const json_t *root, const char *path, int64_t fallback)
{
	const json_t *value = json_at(root, path);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_bool_at(const json_t *root, const char *path, bool fallback)
{
	const json_t *value = json_at(root, path);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *json_text(const char *text)
{
	json_t *value = json_string(text ? text : "");

	return value ? value : json_string("");
}

void json_put(json_t *root, const char *path, json_t *value)
{
	char name[128];

	for (;;) {
		path = next_component(path, name, sizeof(name));
		if (!path || !json_is_object(root)) {
			json_decref(value);
			return;
		}
		if (!*path)
			break;
		json_t *next = json_object_get(root, name);
		if (!json_is_object(next)) {
			next = json_object();
			json_object_set_new(root, name, next);
		}
		root = next;
	}
	json_object_set_new(root, name, value);
}
