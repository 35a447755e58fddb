// SPDX-License-Identifier: Apache-2.0
// Which ports containers publish, and which of them QEMU forwards; see forward.h.
#include "forward.h"

#include "lib/alloc.h"
#include "lib/json.h"
#include "lib/number.h"
#include "lib/strv.h"

#include <string.h>

enum { PORT_MAX = 65535, FORWARDS_MAX = 4096, USERNET_MAX = 1 << 20 };

void forwards_done(struct forwards *f)
{
	free(f->items);
	*f = (struct forwards){ 0 };
}

bool forwards_has(const struct forwards *f, struct forward one)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].udp == one.udp && f->items[i].port == one.port)
			return true;
	return false;
}

void forwards_add(struct forwards *f, struct forward one)
{
	if (f->count == FORWARDS_MAX || forwards_has(f, one))
		return;
	f->items = xreallocarray(f->items, f->count + 1, sizeof(*f->items));
	f->items[f->count++] = one;
}

// {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}
static void add_published(const json_t *port, struct forwards *ret)
{
	const char *ip = json_str_at(port, "IP", "");
	const char *type = json_str_at(port, "Type", "");
	int64_t number = json_int_at(port, "PublicPort", 0);
	bool udp = strcmp(type, "udp") == 0;

	if (number < 1 || number > PORT_MAX || (!udp && strcmp(type, "tcp") != 0))
		return;
	if (strncmp(ip, "127.", 4) != 0 && strcmp(ip, "::1") != 0)
		forwards_add(ret, (struct forward){ .udp = udp, .port = (int)number });
}

void forwards_from_containers(const json_t *containers, struct forwards *ret)
{
	size_t i, j;
	const json_t *container, *port;

	json_array_foreach(containers, i, container) json_array_foreach(json_object_get(container, "Ports"), j, port)
		add_published(port, ret);
}

// "  TCP[HOST_FORWARD]  13       127.0.0.1  8080       10.0.2.15  8080     0     0"
static void add_line(const char *line, const char *address, struct forwards *ret)
{
	cleanup_strv struct strv words = STRV_INIT;
	struct forward one;

	strv_split(&words, line, " \t\r");
	if (words.count < 6 || strcmp(words.items[2], address) != 0)
		return;
	one.udp = strcmp(words.items[0], "UDP[HOST_FORWARD]") == 0;
	if (!one.udp && strcmp(words.items[0], "TCP[HOST_FORWARD]") != 0)
		return;
	if (number_parse_int(words.items[3], 1, PORT_MAX, &one.port, NULL) == 0)
		forwards_add(ret, one);
}

void forwards_from_usernet(const char *text, const char *address, struct forwards *ret)
{
	cleanup_strv struct strv lines = STRV_INIT;

	if (strlen(text) > USERNET_MAX)
		return;
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++)
		add_line(lines.items[i], address, ret);
}
