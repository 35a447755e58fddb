// SPDX-License-Identifier: Apache-2.0
// A machine that others are born from; see template.h.
#include "template.h"

#include "bootlog.h"
#include "control.h"
#include "engine.h"
#include "home.h"
#include "hostname.h"
#include "hosttime.h"
#include "identity.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "modules.h"
#include "profile.h"
#include "shares.h"
#include "tar.h"
#include "timeline.h"
#include "truststore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>

#define POLL_MS 10
#define IDLE_SPAN_MS 1000
#define IDLE_HUNDREDTHS 10
#define IDLE_WAIT_MS 20000
#define START_LEN (2 * TAR_BLOCK) // of the archive: the first member, which has random numbers
#define SEED_BITS 256
#define SEED_FILE GUEST_DATA "/random-seed" // of the host's random numbers, beside all else in the archive
#define NETWORKS "network/files/local-kv.db" // in the engine's folder: the default networks, with their identifiers

static int read_start(const char *path, uint8_t ret[static START_LEN], struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, START_LEN);

	if (n == START_LEN)
		return 0;
	return n < 0 ? error_set(err, errno, "read %s", path) : error_say(err, EBADMSG, "%s is no archive", path);
}

static void wait_for_note(const struct guest *g, const char *note)
{
	cleanup_free char *path = guest_path(g, note);

	while (!file_exists(path))
		clock_sleep_ms(POLL_MS);
}

// Seconds, in hundredths, that all processors together have worked since the start (proc_stat(5)).
static bool read_busy(const struct guest *g, uint64_t *ret)
{
	cleanup_free char *text = guest_read(g, "/proc/stat");
	cleanup_strv struct strv words = STRV_INIT;

	*ret = 0;
	strv_split(&words, text ? text : "", " \n");
	for (size_t i = 1; i <= 3; i++) { // user, nice, system; the first word is "cpu"
		uint64_t one;

		if (i >= words.count || number_parse_u64(words.items[i], 0, UINT64_MAX, &one, NULL) < 0)
			return false;
		*ret += one;
	}
	return true;
}

// What the boot leaves for later is done before, so that no machine has to do it after its birth.
static void wait_until_idle(const struct guest *g)
{
	int64_t deadline = clock_ms() + IDLE_WAIT_MS;
	uint64_t before = 0, now = UINT64_MAX;

	while (clock_ms() < deadline && now - before > IDLE_HUNDREDTHS && read_busy(g, &before)) {
		clock_sleep_ms(IDLE_SPAN_MS);
		if (!read_busy(g, &now))
			return;
	}
}

static int wait_for_another(const char *path, struct error *err)
{
	uint8_t first[START_LEN], now[START_LEN];
	int r = read_start(path, first, err);

	if (r == 0)
		bootlog_console(CONTRACT_TEMPLATE_READY);
	while (r == 0 && (r = read_start(path, now, err)) == 0 && memcmp(first, now, sizeof(first)) == 0)
		clock_sleep_ms(POLL_MS);
	return r;
}

// The kernel mixes the bytes into what it has, and draws all numbers from then on from the mixture (random(4)).
static int seed(const struct guest *g, const void *data, size_t len, struct error *err)
{
	cleanup_free char *path = guest_path(g, "/dev/urandom");
	cleanup_free struct rand_pool_info *pool = xmalloc(sizeof(*pool) + len);
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);

	pool->entropy_count = SEED_BITS;
	pool->buf_size = (int)len;
	memcpy(pool->buf, data, len);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return error_set(err, errno, "seed the kernel's random numbers");
	return 0;
}

// Of an archive that the host made a moment ago.
static void take_time(const void *archive, size_t len)
{
	struct tar_member first;
	struct cursor c;

	cursor_init(&c, archive, len);
	if (tar_next(&c, &first, NULL) != 1 || first.time == 0)
		return;
	const struct timespec at = { .tv_sec = (time_t)first.time };
	if (clock_settime(CLOCK_REALTIME, &at) < 0)
		log_error("the clock cannot be set: %s", strerror(errno));
}

// What the engine made from source does by itself when the files have changed.
static int restart_engine(const struct guest *g, const char *folder, struct error *err)
{
	cleanup_free char *networks = xasprintf("%s%s/" NETWORKS, g->root, folder);
	cleanup_buf struct buf answer = BUF_INIT;
	int r = file_unlink(networks, err);

	return r < 0 ? r : control_ask("restart docker", &answer, err);
}

static int renew_engine(const struct guest *g, const struct profile *p, struct error *err)
{
	int r = engine_renew_certificates(g, err);

	if (r == -ENOTSUP)
		error_clear(err);
	return r == -ENOTSUP ? restart_engine(g, p->values[PROFILE_DOCKER_DIR], err) : r;
}

int template_give_birth(struct guest *g, const void *archive, size_t len, struct error *err)
{
	int (*const steps[])(struct guest *, struct error *) = { hostname_apply, home_userdata,   truststore_fill,
								 shares_mount,   identity_volume, identity_disk };
	cleanup_free char *seed_file = guest_path(g, SEED_FILE);
	struct profile profile;
	int r = seed(g, archive, len, err);

	if (r < 0) {
		bootlog_console(CONTRACT_NOT_BORN "%s", err->msg);
		return r;
	}
	if (!hosttime_take(g))
		take_time(archive, len);
	profile_evaluate(g, &profile); // the template's, and so the machine's
	r = identity_engine(g, profile.values[PROFILE_DOCKER_DIR], err);
	if (r == 0)
		r = home_provision(g, err);
	if (r == 0)
		r = identity_bridge(g, err);
	if (r == 0)
		r = renew_engine(g, &profile, err);
	profile_done(&profile);
	if (r < 0)
		bootlog_console(CONTRACT_NOT_BORN "%s", err->msg);
	else
		bootlog_console(CONTRACT_BORN);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct error why = ERROR_INIT;

		if (steps[i](g, &why) < 0)
			log_error("%s", why.msg);
	}
	(void)!file_unlink(seed_file, NULL);
	return r;
}

int template_wait_birth(struct guest *g, struct error *err)
{
	cleanup_free char *path = guest_path(g, HOME_PROVISION_FILE);
	cleanup_buf struct buf archive = BUF_INIT;

	wait_for_note(g, ENGINE_NOTE);
	wait_for_note(g, MODULES_NOTE);
	wait_until_idle(g);
	int r = wait_for_another(path, err);
	if (r == 0)
		r = file_read(path, HOME_PROVISION_MAX, &archive, err);
	if (r < 0)
		return r;
	timeline_mark(g, "birth", "engine-answers");
	g->options.template = false; // this process has it alone: shares_mount mounts now
	r = template_give_birth(g, archive.data, archive.len, err);
	log_info("born from a template");
	return r;
}
