// SPDX-License-Identifier: Apache-2.0
// The engine's profile; see profile.h.
#include "profile.h"

#include "lib/json.h"

#include <string.h>

enum { ENGINE_PORT = 2376 };
static const char GUEST_DIR[] = "/var/lib/boot2docker";

// Inside single quotes only the quote itself is special.
static void add_single_quoted(struct buf *b, const char *s)
{
	for (; *s; s++)
		if (*s == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, *s);
}

// As it is where no shell would see more than a word in it; else in single quotes.
static void add_word(struct buf *b, const char *s)
{
	bool plain = s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';

	buf_puts(b, plain ? "" : "'");
	add_single_quoted(b, s);
	buf_puts(b, plain ? "" : "'");
}

static void add_double_quoted(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("\"\\$`", *s))
			buf_putc(b, '\\');
		buf_putc(b, *s);
	}
}

// One line "--FLAG VALUE" for each string of the list.
static void add_flags(struct buf *b, const json_t *config, const char *path, const char *flag)
{
	const json_t *value;
	size_t i;

	json_array_foreach(json_at(config, path), i, value)
	{
		buf_puts(b, flag);
		add_single_quoted(b, json_string_value(value) ? json_string_value(value) : "");
		buf_putc(b, '\n');
	}
}

// A VM's engine always listens on the same port, whatever port of the host is forwarded to it; a host of the network is
// reached at the port it listens on.
static int engine_port(const json_t *config)
{
	bool is_generic = strcmp(json_str_at(config, "DriverName", ""), "generic") == 0;

	return is_generic ? (int)json_int_at(config, "Driver.EnginePort", ENGINE_PORT) : ENGINE_PORT;
}

void profile_write(const json_t *config, struct buf *ret)
{
	const char *storage = json_str_at(config, "HostOptions.EngineOptions.StorageDriver", "");
	const json_t *value;
	size_t i;

	buf_puts(ret, "EXTRA_ARGS='\n--label provider=");
	add_single_quoted(ret, json_str_at(config, "DriverName", ""));
	buf_putc(ret, '\n');
	add_flags(ret, config, "HostOptions.EngineOptions.Labels", "--label ");
	add_flags(ret, config, "HostOptions.EngineOptions.InsecureRegistry", "--insecure-registry ");
	add_flags(ret, config, "HostOptions.EngineOptions.RegistryMirror", "--registry-mirror ");
	add_flags(ret, config, "HostOptions.EngineOptions.ArbitraryFlags", "--");
	buf_printf(ret, "\n'\nCACERT=%s/ca.pem\nDOCKER_HOST='-H tcp://0.0.0.0:%d'\nDOCKER_STORAGE=", GUEST_DIR,
		   engine_port(config));
	add_word(ret, *storage ? storage : "overlay2");
	buf_printf(ret, "\nDOCKER_TLS=auto\nSERVERKEY=%s/server-key.pem\nSERVERCERT=%s/server.pem\n\n", GUEST_DIR,
		   GUEST_DIR);
	json_array_foreach(json_at(config, "HostOptions.EngineOptions.Env"), i, value)
	{
		buf_puts(ret, "export \"");
		add_double_quoted(ret, json_string_value(value) ? json_string_value(value) : "");
		buf_puts(ret, "\"\n");
	}
}
