// SPDX-License-Identifier: Apache-2.0
// The `boot2docker.` options of the kernel command line.
#include "options.h"

#include "lib/log.h"
#include "lib/strv.h"

#include <stddef.h>
#include <string.h>

static const struct option_name {
	const char *name;
	size_t offset;
} names[] = {
	{ "debug", offsetof(struct options, debug) },     { "rescue", offsetof(struct options, rescue) },
	{ "nodisk", offsetof(struct options, nodisk) },   { "template", offsetof(struct options, template) },
	{ "install", offsetof(struct options, install) },
};

static bool parse_bool(const char *value, bool *ret)
{
	if (!*value || strcmp(value, "=1") == 0 || strcmp(value, "=yes") == 0 || strcmp(value, "=on") == 0)
		*ret = true;
	else if (strcmp(value, "=0") == 0 || strcmp(value, "=no") == 0 || strcmp(value, "=off") == 0)
		*ret = false;
	else
		return false;
	return true;
}

static void parse_word(const char *word, struct options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i].name);
		bool *field = (bool *)((char *)o + names[i].offset);

		if (strncmp(word, names[i].name, len) != 0 || (word[len] && word[len] != '='))
			continue;
		if (!parse_bool(word + len, field))
			log_warn("kernel option boot2docker.%s: give 1 or 0, or leave the value out; ignored", word);
		return;
	}
	log_warn("kernel option boot2docker.%s is not known; ignored", word);
}

void options_parse(const char *cmdline, struct options *ret)
{
	static const char prefix[] = "boot2docker.";
	cleanup_strv struct strv words = STRV_INIT;

	*ret = (struct options){ .debug = false };
	strv_split(&words, cmdline, " \t\n");
	for (size_t i = 0; i < words.count; i++)
		if (strncmp(words.items[i], prefix, sizeof(prefix) - 1) == 0)
			parse_word(words.items[i] + sizeof(prefix) - 1, ret);
}
