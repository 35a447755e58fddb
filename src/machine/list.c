// SPDX-License-Identifier: Apache-2.0
// What `ls` shows, and of which machines; see list.h.
#include "list.h"

#include "lib/alloc.h"
#include "lib/json.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <string.h>
#include <strings.h>

// Classic Swarm is gone from the world; what a store of Docker Machine says of it is shown all the same.
static char *swarm_text(const struct query *q)
{
	const char *discovery =
		q->machine ? json_str_at(q->machine->config, "HostOptions.SwarmOptions.Discovery", "") : "";
	bool master = q->machine && json_bool_at(q->machine->config, "HostOptions.SwarmOptions.Master", false);

	return *discovery && master ? xasprintf("%s (master)", q->name) : xstrdup("");
}

// Text of config.json, which must not steer the user's terminal.
static json_t *harmless(const char *text)
{
	cleanup_free char *copy = xstrdup(text);

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return json_string(copy);
}

static json_t *new_name(const struct query *q)
{
	return json_string(q->name);
}

static json_t *new_active(const struct query *q)
{
	return json_string(q->active ? "*" : "-");
}

static json_t *new_active_host(const struct query *q)
{
	return json_boolean(q->active);
}

static json_t *new_active_swarm(const struct query *q)
{
	(void)q;
	return json_false();
}

static json_t *new_driver(const struct query *q)
{
	return harmless(q->machine ? json_str_at(q->machine->config, "DriverName", "") : "not found");
}

static json_t *new_state(const struct query *q)
{
	return json_string(machine_state_name(q->state));
}

static json_t *new_url(const struct query *q)
{
	return harmless(q->url);
}

static json_t *new_swarm(const struct query *q)
{
	cleanup_free char *text = swarm_text(q);

	return json_string(text);
}

static json_t *new_config(const struct query *q, const char *path)
{
	json_t *value = q->machine ? json_at(q->machine->config, path) : NULL;

	return value ? json_incref(value) : json_null();
}

static json_t *new_swarm_options(const struct query *q)
{
	return new_config(q, "HostOptions.SwarmOptions");
}

static json_t *new_engine_options(const struct query *q)
{
	return new_config(q, "HostOptions.EngineOptions");
}

// One line, whatever the message has.
static json_t *new_error(const struct query *q)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (const char *c = q->error; *c; c++)
		buf_add(&text, *c == '\n' || *c == '\t' ? " " : c, 1);
	return harmless(buf_str(&text));
}

static json_t *new_engine(const struct query *q)
{
	return json_string(q->engine);
}

// As Go prints a duration: 950ms, 1.5s, 1m2s.
static json_t *new_response(const struct query *q)
{
	cleanup_buf struct buf text = BUF_INIT;
	long long minutes = q->response_ms / 60000;

	if (q->response_ms > 0 && q->response_ms < 1000) {
		buf_printf(&text, "%lldms", q->response_ms);
	} else {
		if (minutes)
			buf_printf(&text, "%lldm", minutes);
		buf_printf(&text, "%gs", (double)(q->response_ms % 60000) / 1000);
	}
	return json_string(buf_str(&text));
}

static const struct field {
	const char *name, *header;
	json_t *(*new_value)(const struct query *q);
} fields[] = {
	{ "Name", "NAME", new_name },
	{ "Active", "ACTIVE", new_active },
	{ "ActiveHost", "ACTIVE_HOST", new_active_host },
	{ "ActiveSwarm", "ACTIVE_SWARM", new_active_swarm },
	{ "DriverName", "DRIVER", new_driver },
	{ "State", "STATE", new_state },
	{ "URL", "URL", new_url },
	{ "Swarm", "SWARM", new_swarm },
	{ "SwarmOptions", "SWARM_OPTIONS", new_swarm_options },
	{ "EngineOptions", "ENGINE_OPTIONS", new_engine_options },
	{ "Error", "ERRORS", new_error },
	{ "DockerVersion", "DOCKER", new_engine },
	{ "ResponseTime", "RESPONSE", new_response },
};

// A machine as the record that templates see; NULL: the record of the headers.
static json_t *new_row(const struct query *q)
{
	json_t *row = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *value = q ? fields[i].new_value(q) : json_string(fields[i].header);
		// NULL: the text is not UTF-8, which JSON cannot hold.
		json_object_set_new(row, fields[i].name, value ? value : json_string("?"));
	}
	return row;
}

int list_format_parse(const char *format, struct list_format *ret, struct error *err)
{
	static const char word[] = "table";
	cleanup_buf struct buf text = BUF_INIT;

	ret->is_table = strncmp(format, word, strlen(word)) == 0;
	if (ret->is_table)
		format += strlen(word);
	format += strspn(format, " ");
	for (const char *c = format; *c; c++) {
		bool escapes = c[0] == '\\' && (c[1] == 't' || c[1] == 'n');
		buf_add(&text, !escapes ? c : c[1] == 't' ? "\t" : "\n", 1);
		c += escapes;
	}
	// The engine is asked only when it is to be seen: by name, or in the record as a whole ({{json .}}).
	ret->shows_engine = strstr(buf_str(&text), "DockerVersion") || strstr(buf_str(&text), "Error");
	for (const char *c = buf_str(&text); *c; c++)
		ret->shows_engine |= *c == '$' || (*c == '.' && !isalpha((unsigned char)c[1]));
	int r = template_parse(buf_str(&text), &ret->line, err);
	return r < 0 ? error_wrap(err, "--format") : 0;
}

int list_format_line(const struct list_format *format, const struct query *q, struct buf *ret, struct error *err)
{
	cleanup_json json_t *row = new_row(q);
	int r = template_render(format->line, row, true, ret, err);

	return r < 0 ? error_wrap(err, "--format") : 0;
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
	cleanup_free char *swarm = swarm_text(q);

	(void)err;
	return *swarm && strncmp(swarm, value, strlen(value)) == 0;
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
