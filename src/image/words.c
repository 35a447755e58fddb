// SPDX-License-Identifier: Apache-2.0
// Splits manifest text into lines of words.

#include "image/words.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"

#include <errno.h>
#include <string.h>

#define MANIFEST_MAX (4 << 20)
#define LINE_MAX_BYTES (64 << 10)

static bool is_continued(struct buf *logical)
{
	if (logical->len == 0 || logical->data[logical->len - 1] != '\\')
		return false;
	logical->data[logical->len - 1] = ' ';
	return true;
}

static int emit_line(const char *what, int number, const struct buf *logical, words_fn fn, void *arg, struct error *err)
{
	struct words_line line = { .file = what, .number = number };
	int r = 0;

	strv_split(&line.words, buf_str(logical), " \t\r");
	if (line.words.count > 0)
		r = fn(&line, arg, err);
	strv_done(&line.words);
	return r < 0 ? error_wrap(err, "%s:%d", what, number) : 0;
}

int words_each_line_in(const char *what, const char *text, size_t len, words_fn fn, void *arg, struct error *err)
{
	cleanup_buf struct buf logical = BUF_INIT;
	const char *end = text + len;
	int number = 0;
	int first = 1;

	if (memchr(text, '\0', len))
		return error_say(err, EINVAL, "%s: holds a NUL byte; manifests are plain text", what);
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line_len = (size_t)((newline ? newline : end) - text);
		const char *comment = memchr(text, '#', line_len);
		int r;

		number++;
		buf_add(&logical, text, comment ? (size_t)(comment - text) : line_len);
		if (logical.len > LINE_MAX_BYTES)
			return error_say(err, E2BIG, "%s:%d: line too long; split it", what, number);
		text = newline ? newline + 1 : end;
		if (!comment && is_continued(&logical) && text < end)
			continue;
		r = emit_line(what, first, &logical, fn, arg, err);
		if (r < 0)
			return r;
		buf_clear(&logical);
		first = number + 1;
	}
	return 0;
}

int words_each_line(const char *path, words_fn fn, void *arg, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	r = file_read(path, MANIFEST_MAX, &text, err);
	if (r < 0)
		return r;
	return words_each_line_in(path, buf_str(&text), text.len, fn, arg, err);
}
