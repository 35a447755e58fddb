// SPDX-License-Identifier: Apache-2.0
// Kernel parameters from /etc/sysctl.conf.
#include "sysctl.h"

#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <string.h>

// "net.ipv4.ip_forward" -> ROOT/proc/sys/net/ipv4/ip_forward. A name with slashes keeps its dots (interface names have them).
static char *parameter_path(const struct guest *g, const char *name)
{
	char *path = xasprintf("%s/proc/sys/%s", g->root, name);

	if (!strchr(name, '/'))
		for (char *p = path + strlen(g->root) + strlen("/proc/sys/"); *p; p++)
			if (*p == '.')
				*p = '/';
	return path;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static void apply_line(const struct guest *g, char *line)
{
	struct error err = ERROR_INIT;
	char *value = strchr(line, '=');
	bool optional = line[0] == '-';
	char *name = line + optional;

	if (!value) {
		log_warn("sysctl.conf: \"%s\" is not NAME = VALUE; ignored", line);
		return;
	}
	*value++ = '\0';
	name = trim(name);
	value = trim(value);
	if (!path_is_safe_relative(name)) {
		log_warn("sysctl.conf: \"%s\" is not the name of a parameter; ignored", name);
		return;
	}
	cleanup_free char *path = parameter_path(g, name);

	if (file_write_existing(path, value, &err) < 0 && !optional)
		log_warn("sysctl.conf: %s", err.msg);
}

int sysctl_apply(struct guest *g, struct error *err)
{
	cleanup_free char *path = guest_path(g, "/etc/sysctl.conf");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	int r = file_read(path, 256 * 1024, &text, err);

	if (r < 0)
		return r;
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		char *line = trim(lines.items[i]);

		if (*line && *line != '#' && *line != ';')
			apply_line(g, line);
	}
	return 0;
}
