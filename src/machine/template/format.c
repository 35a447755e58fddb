// SPDX-License-Identifier: Apache-2.0
// Values as text, in the words of Go's fmt package; see format.h.
#include "format.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

// Widths and precisions above are an error; Go's own limit is a million, which is only good for filling memory.
enum { WIDTH_MAX = 1000 };

// One "%-5.2f" of a format.
struct verb {
	char letter;
	bool minus, plus, space, zero;
	int width, precision; // -1: none
};

static size_t count_runes(const char *text, size_t len)
{
	size_t runes = 0;

	for (size_t i = 0; i < len; i++)
		runes += (text[i] & 0xc0) != 0x80;
	return runes;
}

// Adds the text, padded to the verb's width. Zeros go between sign and digits.
static void add_padded(struct buf *out, const struct verb *verb, const char *text, size_t len)
{
	size_t runes = count_runes(text, len);
	size_t width = verb->width < 0 ? 0 : (size_t)verb->width;
	size_t padding = width > runes ? width - runes : 0;
	size_t sign = verb->zero && len && (text[0] == '-' || text[0] == '+');

	if (!verb->minus) {
		buf_add(out, text, verb->zero ? sign : 0);
		for (size_t i = 0; i < padding; i++)
			buf_putc(out, verb->zero ? '0' : ' ');
		text += sign;
		len -= sign;
	}
	buf_add(out, text, len);
	for (size_t i = 0; verb->minus && i < padding; i++)
		buf_putc(out, ' ');
}

void format_rune(struct buf *out, int64_t rune)
{
	uint32_t r = rune < 0 || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000) ? 0xfffd : (uint32_t)rune;

	if (r < 0x80) {
		buf_putc(out, (char)r);
	} else if (r < 0x800) {
		buf_putc(out, (char)(0xc0 | r >> 6));
		buf_putc(out, (char)(0x80 | (r & 0x3f)));
	} else if (r < 0x10000) {
		buf_putc(out, (char)(0xe0 | r >> 12));
		buf_putc(out, (char)(0x80 | (r >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (r & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | r >> 18));
		buf_putc(out, (char)(0x80 | (r >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (r >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (r & 0x3f)));
	}
}

// As strconv.Quote. Only what is not printable in ASCII is escaped; other characters stay as they are.
static void add_quoted(struct buf *out, const char *text, size_t len, char quote)
{
	static const char escapes[] = { '\a', 'a', '\b', 'b', '\f', 'f', '\n', 'n', '\r', 'r', '\t', 't', '\v', 'v' };

	buf_putc(out, quote);
	for (size_t i = 0; i < len; i++) {
		const char *escape = NULL;
		for (size_t e = 0; e < sizeof(escapes) && !escape; e += 2)
			if (escapes[e] == text[i])
				escape = &escapes[e + 1];
		if (escape || text[i] == '\\' || text[i] == quote)
			buf_printf(out, "\\%c", escape ? *escape : text[i]);
		else if (iscntrl((unsigned char)text[i]))
			buf_printf(out, "\\x%02x", (unsigned char)text[i]);
		else
			buf_putc(out, text[i]);
	}
	buf_putc(out, quote);
}

static bool bad_verb(struct buf *text, const struct verb *verb, const struct value *v)
{
	buf_printf(text, "%%!%c(", verb->letter);
	if (value_is_nil(v)) {
		buf_puts(text, "<nil>)");
		return true;
	}
	buf_printf(text, "%s=", value_type(v));
	format_plain(text, v);
	buf_putc(text, ')');
	return true;
}

static void add_digits(struct buf *text, const struct verb *verb, uint64_t magnitude)
{
	int least = verb->precision < 0 ? 1 : verb->precision;

	switch (verb->letter) {
	case 'x':
		buf_printf(text, "%.*" PRIx64, least, magnitude);
		break;
	case 'X':
		buf_printf(text, "%.*" PRIX64, least, magnitude);
		break;
	case 'o':
		buf_printf(text, "%.*" PRIo64, least, magnitude);
		break;
	case 'b':
		for (int bit = 63; bit >= 0; bit--)
			if (magnitude >> bit || bit < least)
				buf_putc(text, magnitude >> bit & 1 ? '1' : '0');
		break;
	default:
		buf_printf(text, "%.*" PRIu64, least, magnitude);
		break;
	}
}

// The letters that take a whole number; false when the verb is none of them.
static bool add_integer(struct buf *text, const struct verb *verb, int64_t integer)
{
	struct buf rune = BUF_INIT;

	switch (verb->letter) {
	case 'c':
		format_rune(text, integer);
		return true;
	case 'q':
		format_rune(&rune, integer);
		add_quoted(text, buf_str(&rune), rune.len, '\'');
		buf_done(&rune);
		return true;
	case 'U':
		buf_printf(text, "U+%04" PRIX64, (uint64_t)integer);
		return true;
	case 'v':
	case 'd':
	case 'x':
	case 'X':
	case 'o':
	case 'b':
		if (integer < 0 || verb->plus || verb->space)
			buf_puts(text, integer < 0 ? "-" : verb->plus ? "+" : " ");
		add_digits(text, verb, integer < 0 ? -(uint64_t)integer : (uint64_t)integer);
		return true;
	default:
		return false;
	}
}

static bool add_float(struct buf *text, const struct verb *verb, const struct value *v)
{
	int precision = verb->precision < 0 ? 6 : verb->precision;
	int64_t integer;

	if (v->number >= 0 && (verb->plus || verb->space) && strchr("veEfFgG", verb->letter))
		buf_putc(text, verb->plus ? '+' : ' ');
	switch (verb->letter) {
	case 'v':
	case 'g':
	case 'G':
		if (verb->precision >= 0)
			buf_printf(text, "%.*g", precision, v->number);
		else
			value_add_float(text, v->number);
		for (size_t i = 0; verb->letter == 'G' && i < text->len; i++)
			text->data[i] = (char)toupper((unsigned char)text->data[i]);
		return true;
	case 'e':
		buf_printf(text, "%.*e", precision, v->number);
		return true;
	case 'E':
		buf_printf(text, "%.*E", precision, v->number);
		return true;
	case 'f':
	case 'F':
		buf_printf(text, "%.*f", precision, v->number);
		return true;
	default:
		return strchr("dxXobc", verb->letter) && value_as_integer(v, &integer) &&
		       add_integer(text, verb, integer);
	}
}

static size_t runes_to_bytes(const char *text, size_t len, int runes)
{
	size_t at = 0;

	for (int i = 0; i < runes && at < len; i++)
		for (at++; at < len && (text[at] & 0xc0) == 0x80;)
			at++;
	return at;
}

static bool add_string(struct buf *text, const struct verb *verb, const struct value *v)
{
	size_t len = verb->precision < 0 ? v->len : runes_to_bytes(v->text, v->len, verb->precision);

	switch (verb->letter) {
	case 'v':
	case 's':
		buf_add(text, v->text, len);
		return true;
	case 'q':
		add_quoted(text, v->text, len, '"');
		return true;
	case 'x':
	case 'X':
		for (size_t i = 0; i < len; i++) {
			if (i && verb->space)
				buf_putc(text, ' ');
			buf_printf(text, verb->letter == 'x' ? "%02x" : "%02X", (unsigned char)v->text[i]);
		}
		return true;
	default:
		return false;
	}
}

// A value that holds no others. False: the verb does not fit its type.
static bool add_scalar(struct buf *text, const struct verb *verb, const struct value *v)
{
	switch (v->kind) {
	case VALUE_BOOL:
		if (verb->letter != 'v' && verb->letter != 't')
			return false;
		buf_puts(text, v->boolean ? "true" : "false");
		return true;
	case VALUE_INT:
		return add_integer(text, verb, v->integer);
	case VALUE_FLOAT:
		return add_float(text, verb, v);
	case VALUE_STRING:
		return add_string(text, verb, v);
	default:
		if (verb->letter != 'v')
			return false;
		buf_puts(text, "<nil>");
		return true;
	}
}

static void add_value(struct buf *out, const struct verb *verb, const struct value *v);

static void add_array(struct buf *out, const struct verb *verb, const json_t *array)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		struct value item = value_from_json(json_array_get(array, i));
		if (i)
			buf_putc(out, ' ');
		add_value(out, verb, &item);
	}
	buf_putc(out, ']');
}

static void add_object(struct buf *out, const struct verb *verb, const json_t *object)
{
	size_t count;
	cleanup_free const char **keys = value_sorted_keys(object, &count);

	buf_puts(out, "map[");
	for (size_t i = 0; i < count; i++) {
		struct value key = value_from_string(keys[i], strlen(keys[i]));
		struct value item = value_from_json(json_object_get(object, keys[i]));
		if (i)
			buf_putc(out, ' ');
		add_value(out, verb, &key);
		buf_putc(out, ':');
		add_value(out, verb, &item);
	}
	buf_putc(out, ']');
}

static void add_value(struct buf *out, const struct verb *verb, const struct value *v)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (verb->letter == 'T') {
		buf_puts(&text, value_type(v));
	} else if (v->kind == VALUE_ARRAY) {
		add_array(out, verb, v->json);
		return;
	} else if (v->kind == VALUE_OBJECT) {
		add_object(out, verb, v->json);
		return;
	} else if (!add_scalar(&text, verb, v)) {
		buf_clear(&text);
		bad_verb(out, verb, v);
		return;
	}
	add_padded(out, verb, buf_str(&text), text.len);
}

void format_plain(struct buf *out, const struct value *v)
{
	static const struct verb plain = { .letter = 'v', .width = -1, .precision = -1 };

	add_value(out, &plain, v);
}

static int check_size(const struct buf *out, struct error *err)
{
	if (out->len > FORMAT_OUTPUT_MAX)
		return error_say(err, EFBIG, "the output is longer than %d MiB", FORMAT_OUTPUT_MAX >> 20);
	return 0;
}

int format_print(struct buf *out, const struct value *args, size_t count, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		if (i && args[i].kind != VALUE_STRING && args[i - 1].kind != VALUE_STRING)
			buf_putc(out, ' ');
		format_plain(out, &args[i]);
		r = check_size(out, err);
	}
	return r;
}

int format_println(struct buf *out, const struct value *args, size_t count, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		if (i)
			buf_putc(out, ' ');
		format_plain(out, &args[i]);
		r = check_size(out, err);
	}
	buf_putc(out, '\n');
	return r;
}

struct format {
	const char *at, *end;
};

static bool read_flag(struct format *f, struct verb *verb)
{
	switch (f->at < f->end ? *f->at : '\0') {
	case '-':
		verb->minus = true;
		break;
	case '+':
		verb->plus = true;
		break;
	case ' ':
		verb->space = true;
		break;
	case '0':
		verb->zero = true;
		break;
	default:
		return false;
	}
	f->at++;
	return true;
}

static int read_number(struct format *f, int *ret, struct error *err)
{
	int number = 0;

	for (; f->at < f->end && isdigit((unsigned char)*f->at); f->at++) {
		number = number * 10 + (*f->at - '0');
		if (number > WIDTH_MAX)
			return error_say(err, ERANGE, "a width or precision over %d", WIDTH_MAX);
	}
	*ret = number;
	return 0;
}

// Reads what follows a '%', up to and with the letter; letter 0: the format ends before it.
static int read_verb(struct format *f, struct verb *ret, struct error *err)
{
	int r = 0;

	*ret = (struct verb){ .width = -1, .precision = -1 };
	while (read_flag(f, ret))
		continue;
	ret->zero &= !ret->minus;
	if (f->at < f->end && isdigit((unsigned char)*f->at))
		r = read_number(f, &ret->width, err);
	if (r == 0 && f->at < f->end && *f->at == '.') {
		f->at++;
		r = read_number(f, &ret->precision, err);
	}
	if (r < 0 || f->at == f->end)
		return r;
	if (*f->at == '#' || *f->at == '*' || *f->at == '[')
		return error_say(err, EINVAL,
				 "\"%%%c\" is not supported; write the width as a number, and the "
				 "arguments in their order",
				 *f->at);
	ret->letter = *f->at++;
	ret->plus &= ret->letter != 'v'; // %+v is about structs, not signs
	return 0;
}

static void add_extra(struct buf *out, const struct value *args, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? ", " : "%!(EXTRA ");
		buf_puts(out, value_type(&args[i]));
		if (value_is_nil(&args[i]))
			continue;
		buf_putc(out, '=');
		format_plain(out, &args[i]);
	}
	if (count)
		buf_putc(out, ')');
}

int format_printf(struct buf *out, const struct value *format, const struct value *args, size_t count,
		  struct error *err)
{
	struct format f = { format->text, format->text + format->len };
	size_t used = 0;

	while (f.at < f.end) {
		struct verb verb;
		const char *percent = memchr(f.at, '%', (size_t)(f.end - f.at));
		buf_add(out, f.at, (size_t)((percent ? percent : f.end) - f.at));
		f.at = percent ? percent + 1 : f.end;
		if (!percent)
			break;
		int r = read_verb(&f, &verb, err);
		if (r == 0)
			r = check_size(out, err);
		if (r < 0)
			return r;
		if (!verb.letter)
			buf_puts(out, "%!(NOVERB)");
		else if (verb.letter == '%')
			buf_putc(out, '%');
		else if (used == count)
			buf_printf(out, "%%!%c(MISSING)", verb.letter);
		else
			add_value(out, &verb, &args[used++]);
	}
	add_extra(out, args + used, count - used);
	return check_size(out, err);
}
