// SPDX-License-Identifier: Apache-2.0
// What `ls` shows, and of which machines; see list.h.
#include "list.h"

#include "lib/alloc.h"
#include "lib/json.h"

#include <errno.h>
#include <regex.h>
#include <string.h>
#include <strings.h>

static void add_name(const struct query *q, struct buf *b)
{
	buf_puts(b, q->name);
}

static void add_active(const struct query *q, struct buf *b)
{
	buf_puts(b, q->active ? "*" : "-");
}

static void add_active_host(const struct query *q, struct buf *b)
{
	buf_puts(b, q->active ? "true" : "false");
}

// Classic Swarm is gone from the world: no machine is its master.
static void add_false(const struct query *q, struct buf *b)
{
	(void)q;
	buf_puts(b, "false");
}

static void add_driver(const struct query *q, struct buf *b)
{
	buf_puts(b, q->machine ? json_str_at(q->machine->config, "DriverName", "") : "not found");
}

static void add_state(const struct query *q, struct buf *b)
{
	buf_puts(b, machine_state_name(q->state));
}

static void add_url(const struct query *q, struct buf *b)
{
	buf_puts(b, q->url);
}

static void add_swarm(const struct query *q, struct buf *b)
{
	const char *discovery =
		q->machine ? json_str_at(q->machine->config, "HostOptions.SwarmOptions.Discovery", "") : "";
	bool master = q->machine && json_bool_at(q->machine->config, "HostOptions.SwarmOptions.Master", false);

	if (*discovery && master)
		buf_printf(b, "%s (master)", q->name);
}

static void add_json(const struct query *q, const char *path, struct buf *b)
{
	const json_t *value = q->machine ? json_at(q->machine->config, path) : NULL;
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	buf_puts(b, text ? text : "");
	free(text);
}

static void add_swarm_options(const struct query *q, struct buf *b)
{
	add_json(q, "HostOptions.SwarmOptions", b);
}

static void add_engine_options(const struct query *q, struct buf *b)
{
	add_json(q, "HostOptions.EngineOptions", b);
}

// One line, whatever the message has.
static void add_error(const struct query *q, struct buf *b)
{
	for (const char *c = q->error; *c; c++)
		buf_putc(b, *c == '\n' || *c == '\t' ? ' ' : *c);
}

static void add_engine(const struct query *q, struct buf *b)
{
	buf_puts(b, q->engine);
}

static void add_response(const struct query *q, struct buf *b)
{
	buf_printf(b, "%lldms", q->response_ms);
}

static const struct field {
	const char *name, *header;
	void (*add)(const struct query *q, struct buf *b);
} fields[] = {
	{ "Name", "NAME", add_name },
	{ "Active", "ACTIVE", add_active },
	{ "ActiveHost", "ACTIVE_HOST", add_active_host },
	{ "ActiveSwarm", "ACTIVE_SWARM", add_false },
	{ "DriverName", "DRIVER", add_driver },
	{ "State", "STATE", add_state },
	{ "URL", "URL", add_url },
	{ "Swarm", "SWARM", add_swarm },
	{ "SwarmOptions", "SWARM_OPTIONS", add_swarm_options },
	{ "EngineOptions", "ENGINE_OPTIONS", add_engine_options },
	{ "Error", "ERRORS", add_error },
	{ "DockerVersion", "DOCKER", add_engine },
	{ "ResponseTime", "RESPONSE", add_response },
};

static const struct field *find_field(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == len && strncmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

// Expands the expression that starts after "{{"; returns what follows its "}}", or NULL.
static const char *expand(const char *at, const struct query *q, struct buf *ret)
{
	const char *end = strstr(at, "}}");

	at += strspn(at, " ");
	if (!end || *at != '.')
		return NULL;
	size_t len = strcspn(++at, " }");
	const struct field *field = find_field(at, len);
	if (!field || at + len + strspn(at + len, " ") != end)
		return NULL;
	if (q)
		field->add(q, ret);
	else
		buf_puts(ret, field->header);
	return end + 2;
}

int list_format(const char *format, const struct query *q, struct buf *ret, struct error *err)
{
	while (*format) {
		if (strncmp(format, "{{", 2) == 0) {
			const char *next = expand(format + 2, q, ret);
			if (!next)
				return error_say(err, EINVAL,
						 "--format: cannot read \"%.60s\"; this version knows fields alone, "
						 "such as {{.Name}}",
						 format);
			format = next;
		} else if (strncmp(format, "\\t", 2) == 0 || strncmp(format, "\\n", 2) == 0) {
			buf_putc(ret, format[1] == 't' ? '\t' : '\n');
			format += 2;
		} else {
			buf_putc(ret, *format++);
		}
	}
	return 0;
}

// --- filter ---

static int match_name(const struct query *q, const char *pattern, struct error *err)
{
	regex_t regex;
	char why[128];
	int status = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (status) {
		regerror(status, &regex, why, sizeof(why));
		return error_say(err, EINVAL, "--filter name=%s: %s", pattern, why);
	}
	status = regexec(&regex, q->name, 0, NULL, 0);
	regfree(&regex);
	return status == 0;
}

static int match_driver(const struct query *q, const char *value, struct error *err)
{
	(void)err;
	return q->machine && strcmp(json_str_at(q->machine->config, "DriverName", ""), value) == 0;
}

static int match_state(const struct query *q, const char *value, struct error *err)
{
	(void)err;
	return strcasecmp(machine_state_name(q->state), value) == 0;
}

static int match_label(const struct query *q, const char *value, struct error *err)
{
	const json_t *labels = q->machine ? json_at(q->machine->config, "HostOptions.EngineOptions.Labels") : NULL;
	const json_t *label;
	size_t i;

	(void)err;
	json_array_foreach(labels, i,
			   label) if (json_is_string(label) && strcmp(json_string_value(label), value) == 0) return 1;
	return 0;
}

static int match_swarm(const struct query *q, const char *value, struct error *err)
{
	cleanup_buf struct buf swarm = BUF_INIT;

	(void)err;
	add_swarm(q, &swarm);
	return swarm.len && strncmp(swarm.data, value, strlen(value)) == 0;
}

static const struct key {
	const char *name;
	size_t offset;
	int (*match)(const struct query *q, const char *value, struct error *err);
} keys[] = {
	{ "driver", offsetof(struct list_filter, driver), match_driver },
	{ "label", offsetof(struct list_filter, label), match_label },
	{ "name", offsetof(struct list_filter, name), match_name },
	{ "state", offsetof(struct list_filter, state), match_state },
	{ "swarm", offsetof(struct list_filter, swarm), match_swarm },
};

static struct strv *values_of(const struct list_filter *f, const struct key *key)
{
	return (struct strv *)((char *)f + key->offset);
}

int list_filter_parse(const struct strv *flags, struct list_filter *ret, struct error *err)
{
	for (size_t i = 0; i < flags->count; i++) {
		const char *flag = flags->items[i];
		size_t len = strcspn(flag, "=");
		const struct key *key = NULL;
		if (flag[len] != '=')
			return error_say(err, EINVAL, "Unsupported filter syntax.");
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			if (strlen(keys[k].name) == len && strncmp(keys[k].name, flag, len) == 0)
				key = &keys[k];
		if (!key)
			return error_say(err, EINVAL, "Unsupported filter key '%.*s'", (int)len, flag);
		strv_push(values_of(ret, key), flag + len + 1);
	}
	return 0;
}

void list_filter_done(struct list_filter *f)
{
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		strv_done(values_of(f, &keys[k]));
}

static int match_any(const struct key *key, const struct strv *values, const struct query *q, struct error *err)
{
	int r = values->count == 0;

	for (size_t i = 0; i < values->count && r == 0; i++)
		r = key->match(q, values->items[i], err);
	return r;
}

int list_filter_match(const struct list_filter *f, const struct query *q, struct error *err)
{
	int r = 1;

	for (size_t k = 0; k < ARRAY_SIZE(keys) && r > 0; k++)
		r = match_any(&keys[k], values_of(f, &keys[k]), q, err);
	return r;
}
