// SPDX-License-Identifier: Apache-2.0
// Giving a machine another image; see upgrade.h.
//
// Theory of operation. What makes the image in the machine's folder, the ISO and system/, is moved aside to *.old, the
// new ones come in its place, and the machine is started. When its engine has answered, *.old is removed; when it does
// not, or the new image cannot be installed, what is there is removed and *.old put back. A command that is killed in
// between leaves *.old: the next upgrade begins with putting it back, unless there is a new image already.
#include "upgrade.h"

#include "driver.h"
#include "image.h"
#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "power.h"
#include "store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char ISO[] = "boot2docker.iso";
static const char *const parts[] = { ISO, "system" };

static int move(const struct machine *m, const char *from_suffix, const char *to_suffix, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		cleanup_free char *from = xasprintf("%s/%s%s", m->dir, parts[i], from_suffix);
		cleanup_free char *to = xasprintf("%s/%s%s", m->dir, parts[i], to_suffix);
		if (!file_exists(from))
			continue;
		int r = file_remove_tree(to, err);
		if (r < 0)
			return r;
		if (rename(from, to) < 0)
			return error_set(err, errno, "rename %s", from);
	}
	return 0;
}

static int forget_old(const struct machine *m, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		cleanup_free char *path = xasprintf("%s/%s.old", m->dir, parts[i]);
		r = file_remove_tree(path, err);
	}
	return r;
}

// "v26.1.5", or "an image without a version".
static char *version_of(const struct machine *m, const char *file)
{
	cleanup_free char *path = machine_path(m, file);
	char version[IMAGE_VERSION_LEN];

	if (image_version(path, version, NULL) < 0 || !*version)
		return xstrdup("an image without a version");
	return xstrdup(version);
}

static bool is_same(const struct machine *m)
{
	cleanup_free char *old = xasprintf("%s/%s.old", m->dir, ISO);
	cleanup_free char *now = machine_path(m, ISO);
	char old_digest[DIGEST_HEX_LEN], digest[DIGEST_HEX_LEN];

	return digest_file(old, old_digest, NULL) == 0 && digest_file(now, digest, NULL) == 0 &&
	       strcmp(old_digest, digest) == 0;
}

// Whatever happened: the machine is as it was, and runs.
static void go_back(struct machine *m)
{
	struct error why = ERROR_INIT;

	log_warn("machine \"%s\" gets its old image back", m->name);
	int r = m->driver->kill(m, &why);
	if (r == 0)
		r = move(m, ".old", "", &why);
	if (r == 0)
		r = power_start(m, &why);
	if (r < 0)
		log_warn("%s; the old image is %s/%s.old if it is not in its place", why.msg, m->dir, ISO);
}

static int replace(struct machine *m, const char *url, struct error *err)
{
	int r = move(m, "", ".old", err);

	if (r == 0)
		r = m->driver->install_image(m, url, err);
	if (r < 0)
		return r;
	cleanup_free char *old = version_of(m, "boot2docker.iso.old");
	cleanup_free char *new = version_of(m, ISO);
	if (is_same(m))
		log_info("Machine \"%s\" has this image already: %s", m->name, new);
	else
		log_info("The image of machine \"%s\": %s instead of %s", m->name, new, old);
	log_info("Starting machine back up...");
	return power_start(m, err);
}

static int require_stoppable(struct machine *m, enum machine_state *ret, struct error *err)
{
	if (m->driver->refuse)
		return m->driver->refuse("upgrade", "upgraded", err);
	if (!m->driver->install_image)
		return error_say(err, ENOTSUP, "the driver %s of machine \"%s\" has no image to upgrade",
				 m->driver->name, m->name);
	int r = m->driver->state(m, STATE_TIMEOUT_MS, ret, err);
	if (r < 0)
		return r;
	if (*ret == STATE_SAVED)
		return error_say(err, EBUSY,
				 "machine \"%s\" is saved, with what ran in it: start it before it is upgraded",
				 m->name);
	return 0;
}

int machine_upgrade(struct machine *m, const char *url, struct error *err)
{
	const char *source = *url ? url : json_str_at(m->config, "Driver.Boot2DockerURL", "");
	enum machine_state state = STATE_NONE;

	int r = require_stoppable(m, &state, err);
	if (r == 0)
		r = image_prepare(m->ctx, source, err);
	if (r < 0)
		return r;
	if (state != STATE_STOPPED) {
		log_info("Stopping machine to do the upgrade...");
		r = power_stop(m, err);
		if (r < 0)
			return r;
	}
	log_info("Upgrading machine \"%s\"...", m->name);
	r = replace(m, source, err);
	if (r < 0) {
		go_back(m);
		return error_wrap(err, "upgrading machine \"%s\"", m->name);
	}
	return forget_old(m, err);
}
