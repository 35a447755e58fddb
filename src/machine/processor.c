// SPDX-License-Identifier: Apache-2.0
// What the host's processor can do; see processor.h.
#include "processor.h"

#include "lib/buf.h"
#include "lib/file.h"

#include <string.h>

enum { CPUINFO_MAX = 16 << 20 };

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

bool processor_virtualizes(const char *cpuinfo)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (file_read(cpuinfo, CPUINFO_MAX, &text, NULL) < 0)
		return false;
	for (const char *line = buf_str(&text); *line;) {
		size_t len = strcspn(line, "\n");
		if (strncmp(line, "flags", 5) == 0)
			return has_word(line, len, "vmx") || has_word(line, len, "svm");
		line += len + (line[len] == '\n');
	}
	return false;
}
