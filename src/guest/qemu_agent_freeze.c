// SPDX-License-Identifier: Apache-2.0
// The guest agent's freezing of file systems.
//
// Theory of operation
//
// Between guest-fsfreeze-freeze and -thaw every process that writes to a disk waits, the engine among them. A host that forgets
// to thaw would have made a dead machine of it: so after AGENT_FREEZE_MS the agent thaws by itself, and guest-fsfreeze-thaw then
// says that it let go of nothing, from which the host sees that its copy may not be whole. What is frozen is noted in a file in
// memory before it is: an agent that is started in the place of one that died lets go of it.
#include "qemu_agent_freeze.h"

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "mountinfo.h"

#include <errno.h>
#include <string.h>

#define NOTE GUEST_RUN "/frozen"

// Whether it is a file system on a disk, and may be written to. Others cannot be frozen, or need not.
static bool is_wanted(const struct mountinfo *m)
{
	static const char *const types[] = { "btrfs", "ext2", "ext3", "ext4", "f2fs", "xfs" };

	if (strncmp(m->options, "rw", 2) != 0 || strncmp(m->source, "/dev/", 5) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(m->type, types[i]) == 0)
			return true;
	return false;
}

// Mount points, the latest first; of several of one file system (containers have many) the first is enough.
static int plan(const struct guest *g, struct strv *ret, struct error *err)
{
	cleanup_free char *path = guest_path(g, MOUNTINFO_FILE);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT, seen = STRV_INIT, places = STRV_INIT;
	int r = file_read(path, MOUNTINFO_MAX, &text, err);

	if (r < 0)
		return r;
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		struct mountinfo mount;

		if (!mountinfo_split(lines.items[i], &mount) || !is_wanted(&mount) ||
		    strv_contains(&seen, mount.device))
			continue;
		strv_push(&seen, mount.device);
		strv_push(&places, mount.place);
	}
	for (size_t i = places.count; i > 0; i--)
		strv_push(ret, places.items[i - 1]);
	return 0;
}

static int note(const struct agent *a, const struct strv *places, struct error *err)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < places->count; i++)
		buf_printf(&text, "%s\n", places->items[i]);
	return guest_write(a->guest, NOTE, buf_str(&text), err);
}

static void forget(const struct agent *a)
{
	cleanup_free char *path = guest_path(a->guest, NOTE);

	(void)!file_unlink(path, NULL);
}

int agent_freeze(struct agent *a, struct error *err)
{
	cleanup_strv struct strv places = STRV_INIT;
	int r = plan(a->guest, &places, err);

	if (r == 0)
		r = note(a, &places, err);
	for (size_t i = 0; r >= 0 && i < places.count; i++) {
		r = a->system->freeze(places.items[i], true, err);
		if (r == 0)
			strv_push(&a->frozen, places.items[i]);
		else if (r == -EBUSY || r == -EOPNOTSUPP) // somebody else has frozen it, or it cannot be
			r = 0;
	}
	if (r < 0) {
		agent_thaw(a);
		return r;
	}
	a->thaw_ms = clock_ms() + AGENT_FREEZE_MS;
	return (int)a->frozen.count;
}

int agent_thaw(struct agent *a)
{
	int count = 0;

	for (size_t i = a->frozen.count; i > 0; i--) {
		struct error err = ERROR_INIT;

		if (a->system->freeze(a->frozen.items[i - 1], false, &err) == 0)
			count++;
		else
			log_error("guest agent: %s", err.msg);
	}
	strv_done(&a->frozen);
	a->thaw_ms = 0;
	forget(a);
	return count;
}

void agent_recover(struct agent *a)
{
	cleanup_free char *text = guest_read(a->guest, NOTE);

	if (!text)
		return;
	strv_split(&a->frozen, text, "\n");
	log_warn("guest agent: %d file systems that were left frozen are let go", agent_thaw(a));
}

int agent_tick(struct agent *a)
{
	int64_t left = a->thaw_ms - clock_ms();

	if (!a->thaw_ms)
		return -1;
	if (left > 0)
		return (int)left;
	log_warn("guest agent: the host has not thawed the file systems for %d s: they are let go",
		 AGENT_FREEZE_MS / 1000);
	agent_thaw(a);
	return -1;
}
