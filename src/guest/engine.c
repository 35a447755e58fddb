// SPDX-License-Identifier: Apache-2.0
// The Docker engine.
//
// Theory of operation
//
// All that depends on the profile happens in dockerd's own child, at each start of it: the profile is evaluated, certificates
// are looked at (and made by b2d-certs when they are missing, expire soon, or lack a name), the arguments are put together, and
// the child becomes dockerd. containerd starts beside it, not by it: that saves a second. dockerd's client waits for
// containerd's socket by itself.
#include "engine.h"

#include "bootlog.h"
#include "control.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/number.h"
#include "lib/path.h"
#include "ntp.h"
#include "timeline.h"
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

#define SOCKET "/run/docker.sock"
#define CONTAINERD_SOCKET "/run/containerd/containerd.sock"
#define DAEMON_JSON "/etc/docker/daemon.json"
#define CONTAINER_LOG_SIZE "100m"

static bool json_has(const json_t *config, const char *key)
{
	return config && json_object_get(config, key);
}

static void add_hosts(const struct profile *p, const struct engine_facts *facts, const json_t *config, struct strv *ret)
{
	bool tls = strcmp(p->values[PROFILE_DOCKER_TLS], "no") != 0;

	if (json_has(config, "hosts"))
		return;
	strv_push(ret, "-H");
	strv_push(ret, "unix:///var/run/docker.sock");
	if (tls && !facts->tls_files) // never an open port in place of a closed one
		log_error("there are no certificates: the engine answers on its socket only, not on the network");
	else
		strv_split(ret, p->values[PROFILE_DOCKER_HOST], " \t\n");
}

static void add_tls(const struct profile *p, const struct engine_facts *facts, const json_t *config, struct strv *ret)
{
	const char *tls = p->values[PROFILE_DOCKER_TLS];

	if (json_has(config, "tls") || json_has(config, "tlsverify"))
		return;
	if (strcmp(tls, "no") == 0) {
		strv_push(ret, "--tls=false"); // said outright: dockerd waits 15 s when it is not
		return;
	}
	if (!facts->tls_files)
		return;
	if (strcmp(tls, "auto") == 0)
		strv_push(ret, "--tlsverify");
	else
		strv_split(ret, tls, " \t\n");
	strv_pushf(ret, "--tlscacert=%s", p->values[PROFILE_CACERT]);
	strv_pushf(ret, "--tlscert=%s", p->values[PROFILE_SERVERCERT]);
	strv_pushf(ret, "--tlskey=%s", p->values[PROFILE_SERVERKEY]);
}

static void add_storage(const struct profile *p, const struct engine_facts *facts, const json_t *config,
			struct strv *ret)
{
	const char *driver = p->values[PROFILE_DOCKER_STORAGE];

	if (!json_has(config, "data-root"))
		strv_pushf(ret, "--data-root=%s", p->values[PROFILE_DOCKER_DIR]);
	if (json_has(config, "storage-driver"))
		return;
	if (strcmp(driver, "aufs") == 0) {
		log_warn("DOCKER_STORAGE=aufs: aufs is no more; overlay2 is taken");
		driver = "overlay2";
	}
	if (strcmp(driver, "auto") == 0)
		driver = facts->on_btrfs ? "btrfs" : "overlay2";
	strv_pushf(ret, "--storage-driver=%s", driver);
}

// What containers print is kept in files that nobody would bound: unless something is said about logs, these are.
static void add_log_limits(const struct profile *p, const json_t *config, struct strv *ret)
{
	if (json_has(config, "log-driver") || json_has(config, "log-opts") ||
	    strstr(p->values[PROFILE_EXTRA_ARGS], "--log-"))
		return;
	strv_push(ret, "--log-opt=max-size=" CONTAINER_LOG_SIZE);
	strv_push(ret, "--log-opt=max-file=2");
}

void engine_argv(const struct profile *p, const struct engine_facts *facts, struct strv *ret)
{
	cleanup_json json_t *config = NULL;
	struct error err = ERROR_INIT;

	if (facts->daemon_json &&
	    json_read_text(facts->daemon_json, strlen(facts->daemon_json), DAEMON_JSON, &config, &err) < 0)
		log_error("%s", err.msg); // dockerd will say the same and end
	strv_push(ret, "/usr/local/bin/dockerd");
	if (!json_has(config, "containerd"))
		strv_push(ret, "--containerd=" CONTAINERD_SOCKET);
	if (!json_has(config, "pidfile"))
		strv_push(ret, "--pidfile=/var/run/docker.pid");
	if (!json_has(config, "runtimes"))
		strv_push(ret, "--add-runtime=crun=/usr/bin/crun");
	if (!json_has(config, "default-runtime") && !json_has(config, "runtimes"))
		strv_push(ret, "--default-runtime=crun");
	add_storage(p, facts, config, ret);
	add_hosts(p, facts, config, ret);
	add_tls(p, facts, config, ret);
	add_log_limits(p, config, ret);
	strv_split(ret, p->values[PROFILE_EXTRA_ARGS], " \t\n");
}

// Containers get what dockerd has, unless told otherwise.
static void set_limits(const struct profile *p)
{
	uint64_t files = 1048576;
	struct error err = ERROR_INIT;

	if (number_parse_u64(p->values[PROFILE_DOCKER_ULIMITS], 1024, 1073741816, &files, &err) < 0)
		log_warn("DOCKER_ULIMITS: %s; %llu is taken", err.msg, (unsigned long long)files);
	const struct rlimit open_files = { .rlim_cur = files, .rlim_max = files };
	const struct rlimit none = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

	if (setrlimit(RLIMIT_NOFILE, &open_files) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		log_warn("limits of the engine: %s", strerror(errno));
}

static void redirect_log(const struct profile *p)
{
	const char *path = p->values[PROFILE_DOCKER_LOGFILE];
	int fd;

	if (strcmp(path, dockerd_service.log) == 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0) {
		log_warn("DOCKER_LOGFILE %s: %s", path, strerror(errno));
		return;
	}
	dup2(fd, 1);
	dup2(fd, 2);
}

long engine_file_system(const char *folder)
{
	cleanup_free char *path = xstrdup(folder);
	struct statfs fs;

	while (statfs(path, &fs) < 0) {
		if (errno != ENOENT || !strcmp(path, "/") || !strcmp(path, "."))
			return 0;
		char *parent = path_dir(path);

		free(path);
		path = parent;
	}
	return (long)fs.f_type;
}

static int prepare_dockerd(struct guest *g, struct launch *launch, struct error *err)
{
	cleanup_free char *daemon_json = guest_read(g, DAEMON_JSON);
	int64_t start = bootlog_now_us();
	struct engine_facts facts = { .daemon_json = daemon_json };
	struct profile profile;

	(void)err;
	profile_evaluate(g, &profile);
	timeline_add(g, &(struct timeline_row){ .kind = TIMELINE_STEP,
						.name = "profile",
						.after = dockerd_service.name,
						.start_us = start,
						.end_us = bootlog_now_us() });
	ntp_note(g, &profile);
	redirect_log(&profile);
	set_limits(&profile);
	if (strcmp(profile.values[PROFILE_DOCKER_TLS], "no") != 0)
		facts.tls_files = tls_ensure(g, &profile);
	facts.on_btrfs = engine_file_system(profile.values[PROFILE_DOCKER_DIR]) == BTRFS_SUPER_MAGIC;
	engine_argv(&profile, &facts, &launch->argv);
	for (size_t i = 0; i < profile.env.count; i++)
		strv_push(&launch->env, profile.env.items[i]);
	profile_done(&profile);
	timeline_mark(g, "dockerd-exec", "profile certificates");
	return 0;
}

// Was the engine that runs started with certificates?
static bool runs_with_tls(const struct guest *g)
{
	cleanup_buf struct buf state = BUF_INIT, arguments = BUF_INIT;
	uint64_t pid;

	if (control_ask("status docker", &state, NULL) < 0 || strncmp(buf_str(&state), "running ", 8) != 0 ||
	    number_parse_u64(buf_str(&state) + 8, 1, INT32_MAX, &pid, NULL) < 0)
		return false;
	cleanup_free char *path = xasprintf("%s/proc/%" PRIu64 "/cmdline", g->root, pid);
	return file_read(path, 64 * 1024, &arguments, NULL) == 0 &&
	       memmem(arguments.data, arguments.len, "--tlscert=", 10);
}

int engine_renew_certificates(const struct guest *g, struct error *err)
{
	cleanup_free char *own = guest_path(g, ENGINE_OWN);
	struct profile profile;
	bool whole;

	if (!file_exists(own) || !runs_with_tls(g))
		return error_say(err, ENOTSUP, "this engine has to be restarted to take up certificates");
	profile_evaluate(g, &profile);
	whole = tls_ensure(g, &profile);
	profile_done(&profile);
	return whole ? 0 : error_say(err, ENOENT, "the certificates are not all there, see /boot.log");
}

static int prepare_containerd(struct guest *g, struct launch *launch, struct error *err)
{
	static const char *const argv[] = { "/usr/bin/containerd",
					    "--address",
					    CONTAINERD_SOCKET,
					    "--root",
					    "/var/lib/docker/containerd/daemon",
					    "--log-level",
					    "warn",
					    NULL };

	(void)g;
	(void)err;
	strv_push_all(&launch->argv, argv);
	return 0;
}

const struct service_row containerd_service = {
	.name = "containerd",
	.prepare = prepare_containerd,
	.after = "storage",
	.log = "/var/log/containerd.log",
	.oom_score = -999,
	.stop_order = 1,
};

const struct service_row dockerd_service = {
	.name = "docker",
	.prepare = prepare_dockerd,
	.after = "apparmor containerd bootsync hostname home sysctl trust-store shares",
	.log = GUEST_DATA "/docker.log",
	.oom_score = -500,
	.stop_ms = 30000,
	.stop_order = 0,
};

static bool engine_answers(const char *path)
{
	static const char request[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
	static const char good[] = "HTTP/1.1 200";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 5 };
	char answer[sizeof(good) - 1];

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1 &&
	       recv(fd, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer) &&
	       memcmp(answer, good, sizeof(answer)) == 0;
}

int engine_ready(struct guest *g, struct error *err)
{
	cleanup_free char *path = guest_path(g, SOCKET);

	while (!engine_answers(path))
		clock_sleep_ms(20);
	timeline_mark(g, "engine-answers", "dockerd-exec");
	log_info("Docker answers");
	return guest_write(g, ENGINE_NOTE, "", err);
}
