// SPDX-License-Identifier: Apache-2.0
// The table of users and the files made of it.

#include "image/users.h"

#include "image/words.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/number.h"
#include "lib/strv.h"

#include <errno.h>
#include <string.h>

#define ID_MAX 2000000000

struct group {
	char *name;
	int gid;
	struct strv members;
};

struct user {
	char *name, *home, *shell, *password, *gecos;
	int uid, gid;
};

struct subids {
	char *name;
	int first, count;
};

struct users {
	struct group *groups;
	struct user *users;
	struct subids *subids;
	size_t group_count, user_count, subid_count;
};

static const struct group *find_group(const struct users *u, const char *name)
{
	for (size_t i = 0; i < u->group_count; i++) {
		if (strcmp(u->groups[i].name, name) == 0)
			return &u->groups[i];
	}
	return NULL;
}

static const struct user *find_user(const struct users *u, const char *name)
{
	for (size_t i = 0; i < u->user_count; i++) {
		if (strcmp(u->users[i].name, name) == 0)
			return &u->users[i];
	}
	return NULL;
}

static int take_group(struct users *u, const struct strv *w, struct error *err)
{
	struct group g = { .name = NULL };

	if (w->count < 3)
		return error_say(err, EINVAL, "write it as: group NAME GID MEMBER…");
	if (number_parse_int(w->items[2], 0, ID_MAX, &g.gid, err) < 0)
		return -EINVAL;
	for (size_t i = 0; i < u->group_count; i++) {
		if (u->groups[i].gid == g.gid || strcmp(u->groups[i].name, w->items[1]) == 0)
			return error_say(err, EEXIST, "group %s (%d) is already there", u->groups[i].name,
					 u->groups[i].gid);
	}
	g.name = xstrdup(w->items[1]);
	for (size_t i = 3; i < w->count; i++)
		strv_push(&g.members, w->items[i]);
	u->groups = xreallocarray(u->groups, u->group_count + 1, sizeof(g));
	u->groups[u->group_count++] = g;
	return 0;
}

static char *join_from(const struct strv *w, size_t first)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = first; i < w->count; i++)
		buf_printf(&text, "%s%s", i > first ? " " : "", w->items[i]);
	return buf_steal(&text);
}

static int take_user(struct users *u, const struct strv *w, struct error *err)
{
	const struct group *g;
	struct user one = { .name = NULL };

	if (w->count < 7)
		return error_say(err, EINVAL, "write it as: user NAME UID GROUP HOME SHELL PASSWORD [REAL NAME]");
	if (number_parse_int(w->items[2], 0, ID_MAX, &one.uid, err) < 0)
		return -EINVAL;
	g = find_group(u, w->items[3]);
	if (!g)
		return error_say(err, ENOENT, "group %s is not defined above", w->items[3]);
	for (size_t i = 0; i < u->user_count; i++) {
		if (u->users[i].uid == one.uid || strcmp(u->users[i].name, w->items[1]) == 0)
			return error_say(err, EEXIST, "user %s (%d) is already there", u->users[i].name,
					 u->users[i].uid);
	}
	one.gid = g->gid;
	one.name = xstrdup(w->items[1]);
	one.home = xstrdup(w->items[4]);
	one.shell = xstrdup(w->items[5]);
	one.password = xstrdup(w->items[6]);
	one.gecos = join_from(w, 7);
	u->users = xreallocarray(u->users, u->user_count + 1, sizeof(one));
	u->users[u->user_count++] = one;
	return 0;
}

static int take_subids(struct users *u, const struct strv *w, struct error *err)
{
	struct subids s = { .name = NULL };

	if (w->count != 4)
		return error_say(err, EINVAL, "write it as: subids NAME FIRST COUNT");
	if (!find_user(u, w->items[1]))
		return error_say(err, ENOENT, "user %s is not defined above", w->items[1]);
	if (number_parse_int(w->items[2], 0, ID_MAX, &s.first, err) < 0 ||
	    number_parse_int(w->items[3], 1, ID_MAX, &s.count, err) < 0)
		return -EINVAL;
	s.name = xstrdup(w->items[1]);
	u->subids = xreallocarray(u->subids, u->subid_count + 1, sizeof(s));
	u->subids[u->subid_count++] = s;
	return 0;
}

static int users_line(const struct words_line *line, void *arg, struct error *err)
{
	const struct strv *w = &line->words;
	const char *kind = w->items[0];

	for (size_t i = 0; i < w->count; i++) {
		if (strchr(w->items[i], ':'))
			return error_say(err, EINVAL, "\"%s\": a colon cannot stand in /etc/passwd", w->items[i]);
	}
	if (strcmp(kind, "group") == 0)
		return take_group(arg, w, err);
	if (strcmp(kind, "user") == 0)
		return take_user(arg, w, err);
	if (strcmp(kind, "subids") == 0)
		return take_subids(arg, w, err);
	return error_say(err, EINVAL, "unknown statement \"%s\" (group, user or subids)", kind);
}

static int check_members(const struct users *u, const char *what, struct error *err)
{
	for (size_t i = 0; i < u->group_count; i++) {
		const struct group *g = &u->groups[i];

		for (size_t j = 0; j < g->members.count; j++) {
			if (!find_user(u, g->members.items[j]))
				return error_say(err, ENOENT, "%s: group %s has the member %s, who is no user", what,
						 g->name, g->members.items[j]);
		}
	}
	return 0;
}

static int finish_reading(struct users *u, int r, const char *what, struct users **ret, struct error *err)
{
	if (r == 0)
		r = check_members(u, what, err);
	if (r < 0)
		users_free(u);
	else
		*ret = u;
	return r;
}

int users_read(const char *path, struct users **ret, struct error *err)
{
	struct users *u = xcalloc(1, sizeof(*u));

	return finish_reading(u, words_each_line(path, users_line, u, err), path, ret, err);
}

int users_read_text(const char *what, const char *text, size_t len, struct users **ret, struct error *err)
{
	struct users *u = xcalloc(1, sizeof(*u));

	return finish_reading(u, words_each_line_in(what, text, len, users_line, u, err), what, ret, err);
}

void users_free(struct users *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->group_count; i++) {
		free(u->groups[i].name);
		strv_done(&u->groups[i].members);
	}
	for (size_t i = 0; i < u->user_count; i++) {
		free(u->users[i].name);
		free(u->users[i].home);
		free(u->users[i].shell);
		free(u->users[i].password);
		free(u->users[i].gecos);
	}
	for (size_t i = 0; i < u->subid_count; i++)
		free(u->subids[i].name);
	free(u->groups);
	free(u->users);
	free(u->subids);
	free(u);
}

int users_uid(const struct users *u, const char *name, uid_t *ret, struct error *err)
{
	const struct user *found = find_user(u, name);

	if (!found)
		return error_say(err, ENOENT, "user %s is not in the table distro/users", name);
	*ret = (uid_t)found->uid;
	return 0;
}

int users_gid(const struct users *u, const char *name, gid_t *ret, struct error *err)
{
	const struct group *found = find_group(u, name);

	if (!found)
		return error_say(err, ENOENT, "group %s is not in the table distro/users", name);
	*ret = (gid_t)found->gid;
	return 0;
}

// No day of the last change: an image that was built in 1970, or runs then, would have its passwords expire (shadow(5)).
static void print_users(const struct users *u, struct buf *passwd, struct buf *shadow)
{
	for (size_t i = 0; i < u->user_count; i++) {
		const struct user *one = &u->users[i];

		buf_printf(passwd, "%s:x:%d:%d:%s:%s:%s\n", one->name, one->uid, one->gid, one->gecos, one->home,
			   one->shell);
		buf_printf(shadow, "%s:%s::0:99999:7:::\n", one->name, one->password);
	}
}

static void print_groups(const struct users *u, struct buf *group, struct buf *gshadow)
{
	for (size_t i = 0; i < u->group_count; i++) {
		const struct group *g = &u->groups[i];
		cleanup_buf struct buf members = BUF_INIT;

		for (size_t j = 0; j < g->members.count; j++)
			buf_printf(&members, "%s%s", j > 0 ? "," : "", g->members.items[j]);
		buf_printf(group, "%s:x:%d:%s\n", g->name, g->gid, buf_str(&members));
		buf_printf(gshadow, "%s:*::%s\n", g->name, buf_str(&members));
	}
}

int users_write(const struct users *u, struct node *root, int layer, int64_t epoch, struct error *err)
{
	struct {
		const char *path;
		mode_t mode;
		struct buf text;
	} files[] = { { "/etc/passwd", 0644, BUF_INIT }, { "/etc/shadow", 0600, BUF_INIT },
		      { "/etc/group", 0644, BUF_INIT },  { "/etc/gshadow", 0600, BUF_INIT },
		      { "/etc/subuid", 0644, BUF_INIT }, { "/etc/subgid", 0644, BUF_INIT } };
	int r = 0;

	print_users(u, &files[0].text, &files[1].text);
	print_groups(u, &files[2].text, &files[3].text);
	for (size_t i = 0; i < u->subid_count; i++) {
		for (size_t f = 4; f < 6; f++)
			buf_printf(&files[f].text, "%s:%d:%d\n", u->subids[i].name, u->subids[i].first,
				   u->subids[i].count);
	}
	for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
		cleanup_blob struct blob *blob = blob_from(files[f].text.data, files[f].text.len);
		struct node_spec spec = { .type = NODE_FILE,
					  .mode = files[f].mode,
					  .mtime = epoch,
					  .blob = blob,
					  .layer = layer,
					  .origin = "users" };

		if (r == 0)
			r = tree_add(root, files[f].path, &spec, NULL, err);
		buf_done(&files[f].text);
	}
	return r;
}
