// SPDX-License-Identifier: Apache-2.0
// The docker client's contexts; see docker-context.h.
//
// The client's format: contexts/meta/ID/meta.json and contexts/tls/ID/docker/{ca,cert,key}.pem below ~/.docker, where ID is the
// SHA-256 of the name in hexadecimal. The metadata may have fields of others; ours holds the machine's folder.
#include "docker-context.h"

#include "driver.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/path.h"
#include "store.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

enum { META_MAX = 1 << 20 };
static const char OWNER[] = "Boot2DockerMachine";

char *docker_context_name(const char *machine)
{
	if (strcmp(machine, "default") == 0)
		return xstrdup("boot2docker");
	return strlen(machine) < 2 ? NULL : xstrdup(machine);
}

static int docker_dir(char **ret, struct error *err)
{
	const char *config = getenv("DOCKER_CONFIG");
	const char *home = getenv("HOME");

	if (config && *config) {
		*ret = xstrdup(config);
		return 0;
	}
	if (!home || !*home)
		return error_say(err, ENOENT,
				 "neither DOCKER_CONFIG nor HOME is set, so there is no place for docker contexts");
	*ret = path_join(home, ".docker");
	return 0;
}

// Where a context's files are.
struct place {
	char *meta_dir, *meta, *tls_root, *tls;
};

static void place_done(struct place *p)
{
	free(p->meta_dir);
	free(p->meta);
	free(p->tls_root);
	free(p->tls);
}

static int place_find(const char *name, struct place *ret, struct error *err)
{
	cleanup_free char *dir = NULL;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	cleanup_buf struct buf id = BUF_INIT;
	int r = docker_dir(&dir, err);

	if (r < 0)
		return r;
	SHA256((const unsigned char *)name, strlen(name), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(&id, "%02x", digest[i]);
	ret->meta_dir = xasprintf("%s/contexts/meta/%s", dir, buf_str(&id));
	ret->meta = path_join(ret->meta_dir, "meta.json");
	ret->tls_root = xasprintf("%s/contexts/tls/%s", dir, buf_str(&id));
	ret->tls = path_join(ret->tls_root, "docker");
	return 0;
}

enum owner { NOBODY, OURS, SOMEBODY_ELSE };

// One of a machine whose folder is gone may be taken over.
static enum owner owner_of(const struct place *p, const struct machine *m)
{
	cleanup_json json_t *meta = NULL;
	const char *folder;

	if (!file_exists(p->meta))
		return NOBODY;
	if (json_read_file(p->meta, META_MAX, &meta, NULL) < 0)
		return SOMEBODY_ELSE;
	folder = json_string_value(json_object_get(json_object_get(meta, "Metadata"), OWNER));
	if (!folder)
		return SOMEBODY_ELSE;
	return strcmp(folder, m->dir) == 0 || !file_exists(folder) ? OURS : SOMEBODY_ELSE;
}

static json_t *new_meta(const struct machine *m, const char *name)
{
	cleanup_free char *description = xasprintf("Boot2Docker machine \"%s\"", m->name);
	cleanup_free char *url = machine_url(m);

	return json_pack("{s:s, s:{s:s, s:s}, s:{s:{s:s, s:b}}}", "Name", name, "Metadata", "Description", description,
			 OWNER, m->dir, "Endpoints", "docker", "Host", url, "SkipTLSVerify", 0);
}

static int write_tls(const struct place *p, const struct machine *m, struct error *err)
{
	static const char *const files[] = { "ca.pem", "cert.pem", "key.pem" };
	int r = file_mkdirs(p->tls, 0700, err);

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		cleanup_free char *from = machine_path(m, files[i]);
		cleanup_free char *to = path_join(p->tls, files[i]);
		r = file_copy(from, to, 0600, err);
	}
	return r;
}

// The metadata last: with them the context is there.
static int write_context(const struct place *p, const struct machine *m, const char *name, struct error *err)
{
	cleanup_json json_t *meta = new_meta(m, name);

	if (!meta)
		return error_say(err, EINVAL, "the path %s is not UTF-8", m->dir);
	int r = write_tls(p, m, err);
	if (r == 0)
		r = file_mkdirs(p->meta_dir, 0755, err);
	return r < 0 ? r : json_write_file(p->meta, meta, 0644, err);
}

static int write_unless_foreign(const struct machine *m, bool only_ours, struct error *err)
{
	cleanup_free char *name = docker_context_name(m->name);
	CLEANUP(place_done) struct place p = { 0 };

	if (!name)
		return only_ours ? 0
				 : error_say(err, EINVAL, "the docker client takes no context named \"%s\"", m->name);
	int r = place_find(name, &p, err);
	if (r < 0)
		return r;
	enum owner owner = owner_of(&p, m);
	if (only_ours && owner != OURS)
		return 0;
	if (owner == SOMEBODY_ELSE)
		return error_say(err, EEXIST,
				 "there is a docker context \"%s\" that is not this machine's; it stays as it is",
				 name);
	r = write_context(&p, m, name, err);
	return r < 0 ? error_wrap(err, "docker context \"%s\"", name) : 0;
}

int docker_context_write(const struct machine *m, struct error *err)
{
	return write_unless_foreign(m, false, err);
}

void docker_context_refresh(const struct machine *m)
{
	struct error err = ERROR_INIT;

	if (write_unless_foreign(m, true, &err) < 0)
		log_warn("%s", err.msg);
}

// --- the current one ---

// A link (to a folder of settings, say) stays one.
static int config_path(char **ret, struct error *err)
{
	cleanup_free char *dir = NULL;
	int r = docker_dir(&dir, err);

	if (r < 0)
		return r;
	cleanup_free char *path = path_join(dir, "config.json");
	char *real = realpath(path, NULL);
	*ret = real ? real : take_ptr(path);
	return 0;
}

static int config_read(const char *path, json_t **ret, struct error *err)
{
	if (!file_exists(path)) {
		*ret = json_object();
		return 0;
	}
	int r = json_read_file(path, META_MAX, ret, err);
	if (r == 0 && !json_is_object(*ret)) {
		json_decref(*ret);
		r = error_say(err, EBADMSG, "%s is not what the docker client writes", path);
	}
	return r;
}

char *docker_context_current(void)
{
	cleanup_free char *path = NULL;
	cleanup_json json_t *config = NULL;

	if (config_path(&path, NULL) < 0 || config_read(path, &config, NULL) < 0)
		return xstrdup("");
	return xstrdup(json_str_at(config, "currentContext", ""));
}

int docker_context_use(const char *name, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_json json_t *config = NULL;
	int r = config_path(&path, err);

	if (r == 0)
		r = config_read(path, &config, err);
	if (r < 0)
		return r;
	if (!name && !json_object_get(config, "currentContext"))
		return 0;
	if (name)
		json_object_set_new(config, "currentContext", json_string(name));
	else
		json_object_del(config, "currentContext");
	cleanup_free char *dir = path_dir(path);
	r = file_mkdirs(dir, 0700, err);
	return r < 0 ? r : json_write_file(path, config, 0600, err);
}

int docker_context_remove(const struct machine *m, struct error *err)
{
	cleanup_free char *name = docker_context_name(m->name);
	cleanup_free char *current = docker_context_current();
	CLEANUP(place_done) struct place p = { 0 };

	if (!name || place_find(name, &p, NULL) < 0 || owner_of(&p, m) != OURS)
		return 0;
	int r = file_remove_tree(p.meta_dir, err);
	if (r == 0)
		r = file_remove_tree(p.tls_root, err);
	if (r == 0 && strcmp(current, name) == 0)
		r = docker_context_use(NULL, err);
	return r < 0 ? error_wrap(err, "removing docker context \"%s\"", name) : 0;
}
