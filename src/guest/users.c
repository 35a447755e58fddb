// SPDX-License-Identifier: Apache-2.0
// People of /etc/passwd and /etc/group.
#include "users.h"

#include "lib/alloc.h"
#include "lib/number.h"
#include "lib/strv.h"

#include <errno.h>
#include <string.h>

// Splits at every colon; empty fields are kept, which strv_split drops.
static size_t split_fields(char *line, char **ret, size_t max)
{
	size_t count = 0;
	char *field;

	while (count < max && (field = strsep(&line, ":")))
		ret[count++] = field;
	return count;
}

static int parse_id(const char *text, uint32_t *ret)
{
	uint64_t id;
	int r = number_parse_u64(text, 0, UINT32_MAX - 1, &id, NULL);

	if (r == 0)
		*ret = (uint32_t)id;
	return r;
}

static void add_groups(const struct guest *g, const char *name, struct user *u)
{
	cleanup_free char *text = guest_read(g, "/etc/group");
	cleanup_strv struct strv lines = STRV_INIT;

	u->groups[u->group_count++] = u->gid;
	strv_split(&lines, text ? text : "", "\n");
	for (size_t i = 0; i < lines.count && u->group_count < USER_GROUPS_MAX; i++) {
		cleanup_strv struct strv members = STRV_INIT;
		char *fields[4];
		gid_t gid = 0;

		if (split_fields(lines.items[i], fields, 4) != 4 || parse_id(fields[2], &gid) < 0)
			continue;
		strv_split(&members, fields[3], ",");
		if (gid != u->gid && strv_contains(&members, name))
			u->groups[u->group_count++] = gid;
	}
}

int user_find(const struct guest *g, const char *name, struct user *ret, struct error *err)
{
	cleanup_free char *text = guest_read(g, "/etc/passwd");
	cleanup_strv struct strv lines = STRV_INIT;
	struct user u = { .uid = 0 };

	strv_split(&lines, text ? text : "", "\n");
	for (size_t i = 0; i < lines.count; i++) {
		char *fields[7];

		if (split_fields(lines.items[i], fields, 7) != 7 || strcmp(fields[0], name) != 0)
			continue;
		if (parse_id(fields[2], &u.uid) < 0 || parse_id(fields[3], &u.gid) < 0)
			break;
		u.home = xstrdup(fields[5]);
		u.shell = xstrdup(fields[6]);
		add_groups(g, name, &u);
		*ret = u;
		return 0;
	}
	return error_say(err, ENOENT, "there is no user %s in /etc/passwd", name);
}

void user_done(struct user *u)
{
	free(u->home);
	free(u->shell);
	*u = (struct user){ .uid = 0 };
}
