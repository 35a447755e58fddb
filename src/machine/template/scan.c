// SPDX-License-Identifier: Apache-2.0
// The characters of a template; see scan.h.
#include "scan.h"

#include "format.h"

#include "lib/alloc.h"
#include "lib/number.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

bool scan_starts_with(const struct parser *p, size_t at, const char *prefix)
{
	size_t len = strlen(prefix);

	return p->len - at >= len && memcmp(p->text + at, prefix, len) == 0;
}

static char char_at(const struct parser *p, size_t at)
{
	if (at < p->len)
		return p->text[at];
	return '\0';
}

char scan_peek(const struct parser *p)
{
	return char_at(p, p->at);
}

bool scan_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Bytes above ASCII count as letters: Go takes letters of all alphabets.
bool scan_is_letter(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
	return scan_is_letter(c) || isdigit((unsigned char)c);
}

void scan_skip_space(struct parser *p)
{
	while (p->at < p->len && scan_is_space(p->text[p->at]))
		p->at++;
}

bool scan_is_close(const struct parser *p)
{
	bool after_space = p->at > 0 && scan_is_space(p->text[p->at - 1]);

	return scan_starts_with(p, p->at, "}}") || (after_space && scan_starts_with(p, p->at, "-}}"));
}

int scan_close(struct parser *p)
{
	scan_skip_space(p);
	if (!scan_is_close(p)) {
		if (p->at >= p->len)
			return fail(p, p->at, "unclosed action: \"}}\" is missing");
		return fail(p, p->at, "unexpected \"%c\"", scan_peek(p));
	}
	p->trim_next = scan_peek(p) == '-';
	p->at += p->trim_next ? 3 : 2;
	return 0;
}

size_t scan_word(struct parser *p, const char **ret)
{
	size_t start = p->at;

	while (p->at < p->len && is_word(p->text[p->at]))
		p->at++;
	*ret = p->text + start;
	return p->at - start;
}

bool scan_word_is(const char *word, size_t len, const char *expected)
{
	return strlen(expected) == len && memcmp(word, expected, len) == 0;
}

static int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	if (isxdigit((unsigned char)c))
		return tolower((unsigned char)c) - 'a' + 10;
	return -1;
}

// The digits of an escape (\x41, \101, \u00e9), exactly `count`.
static int read_escape_digits(struct parser *p, int count, int base, uint32_t *ret)
{
	uint32_t value = 0;

	for (int i = 0; i < count; i++, p->at++) {
		int digit = digit_value(scan_peek(p));
		if (digit < 0 || digit >= base)
			return fail(p, p->at, "a string has an escape with too few digits");
		value = value * (uint32_t)base + (uint32_t)digit;
	}
	*ret = value;
	return 0;
}

// Behind a backslash.
static int read_escape(struct parser *p, struct buf *out)
{
	static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\''\"\"";
	char c = scan_peek(p);
	uint32_t value = 0;
	int r;

	for (size_t i = 0; c && simple[i]; i += 2)
		if (simple[i] == c) {
			p->at++;
			buf_putc(out, simple[i + 1]);
			return 0;
		}
	if (c >= '0' && c <= '7') {
		r = read_escape_digits(p, 3, 8, &value);
		buf_putc(out, (char)value);
		return r < 0 || value <= 0xff ? r : fail(p, p->at, "a string has an octal escape above \\377");
	}
	if (c != 'x' && c != 'u' && c != 'U')
		return fail(p, p->at, "a string has an unknown escape");
	p->at++;
	r = read_escape_digits(p, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, &value);
	if (c == 'x')
		buf_putc(out, (char)value);
	else
		format_rune(out, value);
	return r;
}

// "text" or 'c', to the closing quote.
static int read_quoted(struct parser *p, struct buf *out)
{
	size_t start = p->at;
	char quote = p->text[p->at++];

	while (p->at < p->len && scan_peek(p) != quote && scan_peek(p) != '\n') {
		char c = p->text[p->at++];
		if (c != '\\') {
			buf_putc(out, c);
			continue;
		}
		int r = read_escape(p, out);
		if (r < 0)
			return r;
	}
	if (scan_peek(p) != quote)
		return fail(p, start, "unterminated %s", quote == '"' ? "quoted string" : "character constant");
	p->at++;
	return 0;
}

static int read_string(struct parser *p, struct value *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r = read_quoted(p, &text);

	*ret = value_from_string(pool_copy(&p->t->pool, buf_str(&text), text.len), text.len);
	return r;
}

static int read_raw_string(struct parser *p, struct value *ret)
{
	size_t start = ++p->at;
	const char *end = memchr(p->text + start, '`', p->len - start);

	if (!end)
		return fail(p, start - 1, "unterminated raw quoted string");
	size_t len = (size_t)(end - (p->text + start));
	*ret = value_from_string(pool_copy(&p->t->pool, p->text + start, len), len);
	p->at = start + len + 1;
	return 0;
}

// The number of a UTF-8 character, which must be all of the text.
static bool decode_rune(const char *text, size_t len, int64_t *ret)
{
	unsigned char first = len ? (unsigned char)text[0] : 0;
	size_t need = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	int64_t rune = need == 1 ? first : first & (0x7f >> need);

	if (len != need)
		return false;
	for (size_t i = 1; i < len; i++)
		rune = rune << 6 | ((unsigned char)text[i] & 0x3f);
	*ret = rune;
	return true;
}

static int read_character(struct parser *p, struct value *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	size_t start = p->at;
	int64_t rune = 0;
	int r = read_quoted(p, &text);

	if (r == 0 && !decode_rune(buf_str(&text), text.len, &rune))
		return fail(p, start, "a character constant must be one character; strings are written with \"\"");
	*ret = value_from_int(rune);
	return r;
}

// 0x1f, 0b11, 0o17, 017: the digits behind the prefix.
static int parse_based(const char *digits, int base, int64_t *ret)
{
	uint64_t value = 0;

	for (; *digits; digits++) {
		int digit = digit_value(*digits);
		if (digit < 0 || digit >= base)
			return -EINVAL;
		if (value > INT64_MAX / (uint64_t)base - (uint64_t)base)
			return -ERANGE;
		value = value * (uint64_t)base + (uint64_t)digit;
	}
	*ret = (int64_t)value;
	return 0;
}

static int parse_integer(const char *digits, int64_t *ret)
{
	char prefix = '\0';

	if (digits[0] == '0' && digits[1])
		prefix = (char)tolower((unsigned char)digits[1]);
	if (prefix == 'x' || prefix == 'b' || prefix == 'o')
		return digits[2] ? parse_based(digits + 2, prefix == 'x' ? 16 : prefix == 'b' ? 2 : 8, ret) : -EINVAL;
	if (prefix)
		return parse_based(digits + 1, 8, ret);
	return number_parse_i64(digits, 0, INT64_MAX, ret, NULL);
}

static int read_number(struct parser *p, struct value *ret)
{
	size_t start = p->at;
	bool negative = scan_peek(p) == '-';
	bool is_float = false;
	int r;

	p->at += negative || scan_peek(p) == '+';
	size_t digits = p->at;
	bool is_hexadecimal = scan_starts_with(p, p->at, "0x") || scan_starts_with(p, p->at, "0X");
	for (; p->at < p->len; p->at++) {
		char c = p->text[p->at];
		bool is_exponent = !is_hexadecimal && (c == 'e' || c == 'E');
		bool is_sign = (c == '+' || c == '-') && is_float && strchr("eE", p->text[p->at - 1]);
		if (!isalnum((unsigned char)c) && c != '.' && c != '_' && !is_sign)
			break;
		is_float |= is_exponent || c == '.';
	}
	cleanup_free char *text = xstrndup(p->text + digits, p->at - digits);
	if (is_float) {
		*ret = (struct value){ .kind = VALUE_FLOAT };
		r = number_parse_double(text, &ret->number, NULL);
		ret->number = negative ? -ret->number : ret->number;
	} else {
		int64_t integer = 0;
		r = parse_integer(text, &integer);
		*ret = value_from_int(negative ? -integer : integer);
	}
	if (r == -ERANGE)
		return fail(p, start, "number overflow: \"%.64s\"", text);
	return r < 0 ? fail(p, start, "bad number syntax: \"%.64s\"", text) : 0;
}

static bool is_number_start(const struct parser *p)
{
	char c = scan_peek(p);
	char next = char_at(p, p->at + 1);

	if (c == '+' || c == '-')
		return isdigit((unsigned char)next) || next == '.';
	return isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)next));
}

bool scan_is_literal(const struct parser *p)
{
	return is_number_start(p) || (p->at < p->len && strchr("\"`'", scan_peek(p)));
}

int scan_literal(struct parser *p, struct value *ret)
{
	switch (scan_peek(p)) {
	case '"':
		return read_string(p, ret);
	case '`':
		return read_raw_string(p, ret);
	case '\'':
		return read_character(p, ret);
	default:
		return read_number(p, ret);
	}
}
