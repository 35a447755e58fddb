// SPDX-License-Identifier: Apache-2.0
// What the host's processor can do; see processor.h.
#include "processor.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/number.h"

#include <string.h>

enum { CPUINFO_MAX = 16 << 20, TICKS_PER_SECOND = 250 };

static bool has_word(const char *line, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	for (const char *at = line; (at = memmem(at, len - (size_t)(at - line), word, word_len)); at += word_len) {
		bool starts = at == line || at[-1] == ' ' || at[-1] == ':';
		bool ends = at + word_len == line + len || at[word_len] == ' ';
		if (starts && ends)
			return true;
	}
	return false;
}

// The first line of the text that begins with `start`, or NULL.
static const char *find_line(const char *text, const char *start)
{
	for (const char *line = text; *line; line += line[strcspn(line, "\n")] ? strcspn(line, "\n") + 1 : strlen(line))
		if (strncmp(line, start, strlen(start)) == 0)
			return line;
	return NULL;
}

bool processor_virtualizes(const char *cpuinfo)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(cpuinfo, CPUINFO_MAX, &text, NULL) < 0)
		return false;
	const char *line = find_line(buf_str(&text), "flags");
	size_t len = line ? strcspn(line, "\n") : 0;

	return line && (has_word(line, len, "vmx") || has_word(line, len, "svm"));
}

unsigned long processor_loops_per_jiffy(const char *cpuinfo)
{
	cleanup_buf struct buf text = BUF_INIT;
	int millions = 0;

	if (file_read(cpuinfo, CPUINFO_MAX, &text, NULL) < 0)
		return 0;
	const char *line = find_line(buf_str(&text), "bogomips\t");
	if (!line)
		return 0;
	const char *value = line + strcspn(line, ":\n");
	value += strspn(value, ": ");
	cleanup_free char *digits = xstrndup(value, strspn(value, "0123456789")); // the fraction does not matter

	// Slower than any x86 with a time stamp counter, or faster than one can be: not understood.
	if (number_parse_int(digits, 50, 50000, &millions, NULL) < 0)
		return 0;
	return (unsigned long)millions * (1000000 / 2 / TICKS_PER_SECOND);
}
