// SPDX-License-Identifier: Apache-2.0
// Reads what VBoxManage prints; see internal.h.
//
// Its formats are not made for programs: keys are quoted or not, values too, a value may be followed by more on the line, there
// are lines without a value. So a line is only ever compared with the key that is looked for, and what is not understood is
// passed over.
#include "internal.h"

#include <ctype.h>
#include <string.h>

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

void output_strip_warning(struct buf *output)
{
	const char *rest = buf_str(output);

	if (strncmp(rest, "WARNING:", 8) != 0)
		return;
	rest = next_line(rest);
	while (*rest == '\t' || *rest == '\n')
		rest = next_line(rest);
	output->len = strlen(rest);
	memmove(output->data, rest, output->len + 1);
}

static void add_line(struct buf *ret, const char *line)
{
	buf_add(ret, line, strcspn(line, "\r\n"));
	buf_trim_end(ret);
}

void output_error(const char *text, struct buf *ret)
{
	static const char mark[] = "VBoxManage: error: ";
	const char *error = strstr(text, mark);

	if (error)
		add_line(ret, error + strlen(mark));
	for (const char *line = text; !ret->len && *line; line = next_line(line))
		add_line(ret, line);
	if (!ret->len)
		buf_puts(ret, "it failed without a word");
}

// The value behind the "=" of a line: up to the closing quote when it is quoted, else up to the end.
static void add_value(const char *value, struct buf *ret)
{
	if (*value != '"') {
		add_line(ret, value);
		return;
	}
	for (value++; *value && *value != '"' && *value != '\n'; value++) {
		if (*value == '\\' && (value[1] == '"' || value[1] == '\\'))
			value++;
		buf_add(ret, value, 1);
	}
}

// Behind the key when the line begins with it, else NULL.
static const char *skip_key(const char *line, const char *key)
{
	size_t len = strlen(key);
	bool quoted = *line == '"';

	line += quoted;
	if (strncmp(line, key, len) != 0)
		return NULL;
	line += len;
	if (quoted && *line++ != '"')
		return NULL;
	return *line == '=' ? line + 1 : NULL;
}

bool info_get(const char *info, const char *key, struct buf *ret)
{
	for (const char *line = info; *line; line = next_line(line)) {
		const char *value = skip_key(line, key);
		if (value) {
			add_value(value, ret);
			return true;
		}
	}
	return false;
}

static bool has_record_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 && line[len] == ':';
}

const char *record_next(const char *at, const char *first_key, size_t *ret_len)
{
	while (*at && !has_record_key(at, first_key))
		at = next_line(at);
	if (!*at)
		return NULL;
	const char *end = next_line(at);
	while (*end && !has_record_key(end, first_key))
		end = next_line(end);
	*ret_len = (size_t)(end - at);
	return at;
}

bool record_get(const char *record, size_t len, const char *key, struct buf *ret)
{
	for (const char *line = record; line < record + len; line = next_line(line)) {
		if (!has_record_key(line, key))
			continue;
		line += strlen(key) + 1;
		add_line(ret, line + strspn(line, " \t"));
		return true;
	}
	return false;
}

enum machine_state info_state(const char *info)
{
	static const struct {
		const char *name;
		enum machine_state state;
	} states[] = {
		{ "running", STATE_RUNNING },
		{ "paused", STATE_PAUSED },
		{ "saved", STATE_SAVED },
		{ "aborted-saved", STATE_SAVED },
		{ "poweroff", STATE_STOPPED },
		{ "aborted", STATE_STOPPED },
		{ "starting", STATE_STARTING },
		{ "restoring", STATE_STARTING },
		{ "stopping", STATE_STOPPING },
		{ "saving", STATE_STOPPING },
		{ "livesnapshotting", STATE_RUNNING },
	};
	cleanup_buf struct buf name = BUF_INIT;

	if (!info_get(info, "VMState", &name))
		return STATE_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strcmp(states[i].name, buf_str(&name)) == 0)
			return states[i].state;
	return STATE_ERROR; // gurumeditation and the like
}

static void lower(struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		text->data[i] = (char)tolower((unsigned char)text->data[i]);
}

bool info_hostonly_mac(const char *info, struct buf *ret)
{
	enum { CARDS = 8 };

	for (int card = 1; card <= CARDS; card++) {
		cleanup_buf struct buf key = BUF_INIT;
		cleanup_buf struct buf kind = BUF_INIT;
		buf_printf(&key, "nic%d", card);
		if (!info_get(info, buf_str(&key), &kind) || strcmp(buf_str(&kind), "hostonly") != 0)
			continue;
		buf_clear(&key);
		buf_printf(&key, "macaddress%d", card);
		if (!info_get(info, buf_str(&key), ret))
			return false;
		lower(ret);
		return true;
	}
	return false;
}

// "link/ether 08:00:27:7e:1e:f1 brd …": is it this address?
static bool is_link_of(const char *line, const char *mac)
{
	static const char word[] = "link/ether ";

	if (strncmp(line, word, strlen(word)) != 0)
		return false;
	for (line += strlen(word); *mac; line++) {
		if (*line == ':')
			continue;
		if (tolower((unsigned char)*line) != *mac++)
			return false;
	}
	return *line == ' ';
}

bool address_of_mac(const char *ip_addr, const char *mac, struct buf *ret)
{
	static const char word[] = "inet ";
	bool is_ours = false;

	for (const char *line = ip_addr; *line; line = next_line(line)) {
		const char *text = line + strspn(line, " \t");
		if (strncmp(text, "link/", 5) == 0)
			is_ours = is_link_of(text, mac);
		if (!is_ours || strncmp(text, word, strlen(word)) != 0)
			continue;
		text += strlen(word);
		buf_add(ret, text, strspn(text, "0123456789."));
		return ret->len > 0;
	}
	return false;
}

bool created_interface(const char *output, struct buf *ret)
{
	static const char before[] = "Interface '";
	const char *name = strstr(output, before);

	if (!name)
		return false;
	name += strlen(before);
	buf_add(ret, name, strcspn(name, "'\n"));
	return ret->len > 0 && name[ret->len] == '\'';
}
