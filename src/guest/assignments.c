// SPDX-License-Identifier: Apache-2.0
// A shell script that does nothing but set variables, read without a shell; see assignments.h.
//
// Theory of operation. What is understood is a small part of the shell's language, of which every byte is known: whatever is
// not on the list below (a dollar, a backslash outside of single quotes, a semicolon, a tilde, a word that sets nothing) makes
// the whole script the shell's. So this reader never guesses; it may only give up.
#include "assignments.h"

#include "lib/alloc.h"
#include "lib/buf.h"

#include <string.h>

struct reader {
	const char *p, *end;
	struct assignments *into;
};

// Variables that a shell itself gives a meaning or a value to, or does not let be set.
static bool is_peculiar(const char *name, size_t len)
{
	static const char *const names[] = {
		"IFS",           "UID",    "EUID",     "PPID",     "SHELLOPTS", "OPTIND",
		"OPTARG",        "OPTERR", "RANDOM",   "SRANDOM",  "ENV",       "SECONDS",
		"LINENO",        "GROUPS", "FUNCNAME", "DIRSTACK", "HISTCMD",   "POSIXLY_CORRECT",
		"PATH",          "HOME",   "PWD",      "OLDPWD",   "SHLVL",     "EPOCHSECONDS",
		"EPOCHREALTIME", "_",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return len >= 4 && memcmp(name, "BASH", 4) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// How many of the bytes at p are a variable's name; 0: they begin none.
static size_t name_length(const char *p, const char *end)
{
	const char *start = p;

	if (p == end || !is_letter(*p))
		return 0;
	while (p < end && (is_letter(*p) || is_digit(*p)))
		p++;
	return (size_t)(p - start);
}

// Means itself without quotes, wherever it is in a word.
static bool is_plain(char c)
{
	return is_letter(c) || is_digit(c) || (c && strchr("./:,@%+=-", c));
}

static bool ends_word(const struct reader *r)
{
	return r->p == r->end || *r->p == ' ' || *r->p == '\t' || *r->p == '\n';
}

// Within quotes: up to the closing one. Between double quotes a backslash, a dollar and a backquote mean more than themselves.
static bool read_quoted(struct reader *r, struct buf *word)
{
	char quote = *r->p++;

	for (; r->p < r->end && *r->p != quote; r->p++) {
		if (!*r->p || (quote == '"' && strchr("\\$`", *r->p)))
			return false;
		buf_putc(word, *r->p);
	}
	if (r->p == r->end)
		return false;
	r->p++;
	return true;
}

// One word with its quotes taken away.
static bool read_word(struct reader *r, struct buf *word)
{
	while (!ends_word(r)) {
		if (*r->p == '\'' || *r->p == '"') {
			if (!read_quoted(r, word))
				return false;
		} else if (is_plain(*r->p)) {
			buf_putc(word, *r->p++);
		} else {
			return false;
		}
	}
	return true;
}

static size_t find(const struct strv *v, const char *record, size_t name_len)
{
	size_t i = 0;

	while (i < v->count && strncmp(v->items[i], record, name_len + 1) != 0)
		i++;
	return i;
}

static void set(struct strv *v, const char *record, size_t name_len)
{
	size_t at = find(v, record, name_len);

	if (at == v->count) {
		strv_push(v, record);
		return;
	}
	free(v->items[at]);
	v->items[at] = xstrdup(record);
}

static bool take(struct reader *r, const struct buf *word, bool exports)
{
	const char *record = buf_str(word);
	size_t name_len = name_length(record, record + word->len);
	struct assignments *into = r->into;

	if (name_len == 0 || record[name_len] != '=' || is_peculiar(record, name_len))
		return false;
	set(&into->all, record, name_len);
	if (exports || find(&into->exported, record, name_len) < into->exported.count)
		set(&into->exported, record, name_len);
	return true;
}

// A word that sets a variable without `export` has its name and the equals sign outside of quotes.
static bool begins_assignment(const struct reader *r)
{
	size_t len = name_length(r->p, r->end);

	return len > 0 && r->p + len < r->end && r->p[len] == '=';
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
}

static bool skip_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->p) <= len || memcmp(r->p, word, len) != 0 || (r->p[len] != ' ' && r->p[len] != '\t'))
		return false;
	r->p += len;
	return true;
}

static void skip_comment(struct reader *r)
{
	while (r->p < r->end && *r->p != '\n')
		r->p++;
}

// One line, or more when a quote goes over its end; without the newline.
static bool read_command(struct reader *r)
{
	bool exports, any = false;

	skip_blanks(r);
	exports = skip_word(r, "export");
	for (skip_blanks(r); r->p < r->end && *r->p != '\n'; skip_blanks(r)) {
		cleanup_buf struct buf word = BUF_INIT;

		if (*r->p == '#') {
			skip_comment(r);
			break;
		}
		if ((!exports && !begins_assignment(r)) || !read_word(r, &word) || !take(r, &word, exports))
			return false;
		any = true;
	}
	return any || !exports; // `export` alone prints
}

bool assignments_read(const char *text, size_t len, struct assignments *ret)
{
	struct reader r = { .p = text, .end = text + len, .into = ret };
	bool ok = true;

	*ret = (struct assignments)ASSIGNMENTS_INIT;
	while (ok && r.p < r.end) {
		ok = read_command(&r);
		if (ok && r.p < r.end)
			r.p++; // the newline
	}
	if (!ok)
		assignments_done(ret);
	return ok;
}

void assignments_done(struct assignments *a)
{
	strv_done(&a->all);
	strv_done(&a->exported);
}
