// SPDX-License-Identifier: Apache-2.0
// `__complete`: what may stand at the end of a command line; the completion scripts of all shells ask it.
//
// Its operands are the words behind the program's name, the last one being the word that is completed (often empty). It prints
// a candidate a line, with a tab and a description where there is one. No line: file names are wanted, or nothing is known.
#include "commands.h"

#include "../driver.h"
#include "../store.h"

#include <string.h>

// Values of flags, by the flag's name. Those of --driver are the drivers.
static const struct choices {
	const char *flag;
	const char *const values[12];
} choices[] = {
	{ "shell", { "bash", "zsh", "fish", "sh", "powershell", "cmd", "tcsh", "emacs" } },
	{ "filter", { "driver=", "label=", "name=", "state=", "swarm=" } },
	{ "qemu-network", { "user" } },
	{ "qemu-share-type", { "9p", "virtiofs" } },
	{ "virtualbox-ui-type", { "headless", "gui", "sdl", "separate" } },
	{ "virtualbox-hostonly-nicpromisc", { "deny", "allow-vms", "allow-all" } },
	{ "virtualbox-nat-nictype", { "82540EM", "Am79C973", "virtio" } },
	{ "virtualbox-hostonly-nictype", { "82540EM", "Am79C973", "virtio" } },
};

struct line {
	const struct context *ctx;
	const struct strv *words;
	size_t at; // of the word that is completed: the last
	const char *partial;
};

static void offer(const struct line *line, const char *candidate, const char *description)
{
	if (strncmp(candidate, line->partial, strlen(line->partial)) == 0)
		printf("%s%s%s\n", candidate, description ? "\t" : "", description ? description : "");
}

static const struct option_row *find_option(const struct option_row *const *tables, const char *word)
{
	const char *name = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');

	if (word[0] != '-' || !tables)
		return NULL;
	for (; *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++)
			if (strcmp(row->name, name) == 0 || (name[0] == row->letter && row->letter && !name[1]))
				return row;
	return NULL;
}

// Is the word at `at` the value of the flag before it?
static bool is_value(const struct line *line, const struct option_row *const *tables, size_t at, size_t first)
{
	const struct option_row *row = at > first ? find_option(tables, line->words->items[at - 1]) : NULL;

	return row && row->type != OPTION_BOOL && (at < first + 2 || !is_value(line, tables, at - 1, first));
}

static void offer_flags(const struct line *line, const struct option_row *const *tables)
{
	for (; tables && *tables; tables++)
		for (const struct option_row *row = *tables; row->name; row++) {
			cleanup_buf struct buf flag = BUF_INIT;
			buf_printf(&flag, "--%s", row->name);
			if (row->help)
				offer(line, buf_str(&flag), row->help);
		}
}

static void offer_values(const struct line *line, const struct option_row *row)
{
	for (const struct driver *const *d = drivers; strcmp(row->name, "driver") == 0 && *d; d++)
		offer(line, (*d)->name, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		for (const char *const *value = choices[i].values; strcmp(choices[i].flag, row->name) == 0 && *value;
		     value++)
			offer(line, *value, NULL);
}

static void offer_commands(const struct line *line)
{
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->run && !(*c)->hidden)
			offer(line, (*c)->name, (*c)->summary);
}

static bool is_given(const struct line *line, size_t first, const char *name)
{
	for (size_t i = first; i < line->at; i++)
		if (strcmp(line->words->items[i], name) == 0)
			return true;
	return false;
}

static size_t count_operands(const struct line *line, const struct command *command, size_t first)
{
	size_t count = 0;

	for (size_t i = first; i < line->at; i++)
		count += line->words->items[i][0] != '-' && !is_value(line, command->options, i, first);
	return count;
}

// The usage line says how many machines a command takes.
static void offer_machines(const struct line *line, const struct command *command, size_t first)
{
	cleanup_strv struct strv names = STRV_INIT;
	bool takes_many = strstr(command->arguments, "NAME...") != NULL;

	if (!strstr(command->arguments, "NAME") || command == &command_create)
		return;
	if (!takes_many && count_operands(line, command, first) > 0)
		return;
	if (machine_list(line->ctx, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		if (!is_given(line, first, names.items[i]))
			offer(line, names.items[i], NULL);
}

// "[MACHINE:]PATH": a machine's name with its colon. The path behind it is not known here.
static void offer_places(const struct line *line)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (machine_list(line->ctx, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_buf struct buf place = BUF_INIT;
		buf_printf(&place, "%s:", names.items[i]);
		offer(line, buf_str(&place), NULL);
	}
}

// "df|prune": one of these words.
static void offer_alternatives(const struct line *line, const struct command *command, size_t first)
{
	cleanup_strv struct strv words = STRV_INIT;

	if (count_operands(line, command, first) > 0)
		return;
	strv_split(&words, command->arguments, "|");
	for (size_t i = 0; i < words.count; i++)
		offer(line, words.items[i], NULL);
}

static void complete_command(const struct line *line, const struct command *command, size_t first)
{
	if (is_value(line, command->options, line->at, first))
		offer_values(line, find_option(command->options, line->words->items[line->at - 1]));
	else if (command == &command_help_row)
		offer_commands(line);
	else if (line->partial[0] == '-' && !(command->raw && count_operands(line, command, first))) {
		offer_flags(line, command->options);
		offer(line, "--help", "Show help");
	} else if (strstr(command->arguments, "[MACHINE:]PATH")) {
		offer_places(line);
	} else if (strchr(command->arguments, '|')) {
		offer_alternatives(line, command, first);
	} else {
		offer_machines(line, command, first);
	}
}

// The command's place: the first word that is neither a global flag nor the value of one. The end when there is none.
static size_t find_command(const struct line *line, const struct option_row *const *globals)
{
	size_t i = 0;

	while (i < line->at && (line->words->items[i][0] == '-' || is_value(line, globals, i, 0)))
		i++;
	return i;
}

static void complete(const struct line *line)
{
	static const struct option_row *const globals[] = { context_options, NULL };
	size_t at = find_command(line, globals);

	if (at < line->at) {
		const struct command *command = command_find(line->words->items[at]);
		if (command && command->run)
			complete_command(line, command, at + 1);
	} else if (is_value(line, globals, at, 0)) {
		offer_values(line, find_option(globals, line->words->items[at - 1]));
	} else if (line->partial[0] == '-') {
		offer_flags(line, globals);
	} else {
		offer_commands(line);
	}
}

// The line that is completed may name another store.
static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct context own = { 0 };
	struct error ignored = ERROR_INIT;

	(void)options;
	(void)err;
	if (!operands->count)
		return 0;
	strv_push(&argv, ctx->program);
	for (size_t i = 0; i + 1 < operands->count; i++)
		strv_push(&argv, operands->items[i]);
	bool is_whole = context_init(&own, (int)argv.count, argv.items, &ignored) == 0;
	complete(&(struct line){ is_whole ? &own : ctx, operands, operands->count - 1,
				 operands->items[operands->count - 1] });
	context_done(&own);
	return 0;
}

const struct command command_complete = {
	.name = "__complete",
	.arguments = "[WORD...]",
	.summary = "What may stand at the end of a command line",
	.hidden = true,
	.raw = true,
	.run = run,
};
