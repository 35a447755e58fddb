// SPDX-License-Identifier: Apache-2.0
// The first start of a machine: born from a template of its kind; see internal.h.
//
// Theory of operation. Machines of one kind have the same command line, but for their names, folders and ports, the same image, the
// same profile for the engine and a disk of the same size. A digest of all that names the kind's template in STORE/cache/templates,
// which is made when it is missing (template.c). A machine gets a copy of the template's disk, and a QEMU that takes up the
// template's state and shows the guest the machine's own provision.tar instead of the template's: that is the birth
// (CONTRACT_BORN). Until the guest says that it is born, the disk that was made for the machine lies beside the copy; whatever goes
// wrong, even an end of this command, the machine boots from it.
//
// Who makes, takes or removes a template holds the lock cache/templates.lock.
#include "internal.h"

#include "../initrd.h"
#include "../key.h"
#include "../profile.h"
#include "../provision.h"
#include "../run.h"
#include "../system.h"
#include "../templates.h"
#include "lib/alloc.h"
#include "lib/contract.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { ARCHIVE_MAX = 1 << 20, KEYGEN_TIMEOUT_MS = 60 * 1000, BIRTH_TIMEOUT_MS = 2 * 60 * 1000 };

static bool awaits_provision(const struct machine *m)
{
	return json_bool_at(m->config, "Driver.AwaitsProvision", false);
}

// Only a machine that never ran: its disk is given up for the template's.
static bool is_wanted(const struct machine *m, const char *provision)
{
	const char *when = json_str_at(m->config, "Driver.Template", "never");
	cleanup_free char *console = qemu_console_path(m);
	cleanup_free char *able = system_path(m, INITRD_TEMPLATES);

	return provision && awaits_provision(m) && !file_exists(console) && !qemu_has_own_address(m) &&
	       !qemu_uses_virtiofs(m) && !json_bool_at(m->config, "Driver.Display", false) && !strchr(m->dir, ',') &&
	       (strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && file_exists(able)));
}

// --- the kind ---

// A word of the command line, with "@" for the machine's folder.
static void add_word(struct digest *d, const struct machine *m, const char *word)
{
	const char *dir;

	while ((dir = strstr(word, m->dir))) {
		digest_add(d, word, (size_t)(dir - word));
		digest_add(d, "@", 1);
		word = dir + strlen(m->dir);
	}
	digest_add(d, word, strlen(word) + 1);
}

// Options that the guest sees nothing of, and whose values are each machine's own.
static bool is_own(const char *option)
{
	static const char *const own[] = { "-name", "-chardev", "-qmp", "-pidfile" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strcmp(option, own[i]) == 0)
			return true;
	return false;
}

static void kind_of(const struct machine *m, const char *accelerator, const char *system,
		    char ret_hex[static DIGEST_HEX_LEN])
{
	const struct qemu_how how = { .accelerator = accelerator };
	cleanup_free char *processor = qemu_processor(accelerator);
	cleanup_free char *size = xasprintf("%d", (int)json_int_at(m->config, "Driver.DiskSize", 0));
	cleanup_strv struct strv argv = STRV_INIT, words = STRV_INIT;
	cleanup_buf struct buf profile = BUF_INIT;
	struct digest *d = digest_new();

	qemu_command(m, &how, &argv);
	qemu_essence(&argv, &words);
	for (size_t i = 0; i < words.count; i++)
		if (is_own(words.items[i]))
			i++;
		else
			add_word(d, m, words.items[i]);
	profile_write(m->config, &profile);
	const char *const rest[] = { argv.items[0], system, processor, size, buf_str(&profile) };
	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		digest_add(d, rest[i], strlen(rest[i]) + 1);
	digest_finish(d, ret_hex);
}

// --- the template ---

// A label may be each machine's own: nobody shall wait for a template that is of no use to another.
static bool has_own_options(const struct machine *m)
{
	static const char *const lists[] = { "Labels", "InsecureRegistry", "RegistryMirror", "ArbitraryFlags", "Env" };
	const json_t *options = json_at(m->config, "HostOptions.EngineOptions");

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (json_array_size(json_object_get(options, lists[i])) > 0)
			return true;
	return *json_str_at(options, "StorageDriver", "") != '\0';
}

static bool is_worth_making(const struct machine *m, const char *folder)
{
	return strcmp(json_str_at(m->config, "Driver.Template", ""), "always") == 0 ||
	       (!has_own_options(m) && !templates_has_failed(m->ctx, folder));
}

static int make_template(const struct machine *m, const char *folder, const char *accelerator, struct error *err)
{
	cleanup_free char *unfinished = templates_unfinished(m->ctx);

	log_info("(%s) Making a template of machines of this kind, once: the next are there at once...", m->name);
	int r = qemu_make_template(m, unfinished, accelerator, err);
	if (r == 0)
		r = templates_make_room(m->ctx, err);
	if (r == 0 && rename(unfinished, folder) < 0)
		r = error_set(err, errno, "rename %s", unfinished);
	if (r < 0 && file_remove_tree(unfinished, NULL) < 0)
		log_debug("%s stays for the next template to remove", unfinished);
	if (r < 0 && r != -EINTR && r != -ENOSPC)
		templates_note_failure(m->ctx, folder);
	return r < 0 ? error_wrap(err, "none could be made (--qemu-template never: none is tried)") : 0;
}

// 1 and the folder of the kind's template, which is made when it is not there; 0: there is none, and none is made. The caller holds the
// lock.
static int ensure_template(const struct machine *m, const char *accelerator, const char *system, char **ret,
			   struct error *err)
{
	char kind[DIGEST_HEX_LEN];
	kind_of(m, accelerator, system, kind);
	cleanup_free char *folder = templates_folder(m->ctx, system, kind);

	if (!file_exists(folder)) {
		if (!is_worth_making(m, folder))
			return 0;
		int r = make_template(m, folder, accelerator, err);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(folder);
	return 1;
}

// --- the machine ---

// A key for the guest's SSH server, which would take an emulated processor a while to make.
static int make_host_key(const char *path, struct error *err)
{
	const char *argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boot2docker", "-f", path, NULL };

	return run_check(argv, KEYGEN_TIMEOUT_MS, err);
}

static int make_archive(const struct machine *m, const struct buf *plain, const char *path, struct error *err)
{
	cleanup_free char *key = machine_path(m, "host-key.tmp");
	cleanup_free char *public = xasprintf("%s.pub", key);
	cleanup_buf struct buf userdata = BUF_INIT, archive = BUF_INIT;
	struct error ignored = ERROR_INIT;
	int r = file_unlink(key, err);

	if (r == 0)
		r = make_host_key(key, err);
	if (r == 0)
		r = key_magic_tar(m, &userdata, err);
	if (r == 0)
		r = provision_born(plain, &userdata, key, time(NULL), &archive, err);
	if (r == 0)
		r = file_replace(path, archive.data, archive.len, 0600, err);
	if (file_unlink(key, r < 0 ? &ignored : err) < 0 || file_unlink(public, r < 0 ? &ignored : err) < 0)
		r = r < 0 ? r : err->code ? -err->code : -EIO;
	return r;
}

// Takes the template up until the guest says that it is born. A template that is no good is removed.
static int take_up(struct machine *m, const char *folder, const char *provision, const char *accelerator,
		   struct error *err)
{
	enum qemu_flaw flaw = FLAW_NONE;
	struct qemu_how how = { .accelerator = accelerator, .provision = provision, .incoming = true };
	cleanup_machine struct machine *t = qemu_template(m, folder);
	cleanup_free char *from = machine_path(t, "disk.qcow2");
	cleanup_free char *to = machine_path(m, "disk.qcow2");
	int r = file_copy(from, to, 0600, err);

	if (r == 0)
		r = qemu_take_up(m, &how, t, &flaw, err);
	if (r == 0) {
		r = qemu_wait_word(m, "the machine's birth", CONTRACT_BORN, CONTRACT_NOT_BORN, BIRTH_TIMEOUT_MS, err);
		if (r < 0 && r != -EINTR) {
			flaw = FLAW_UNREADABLE;
			templates_note_failure(m->ctx, folder); // another would do no better
		}
	}
	if (flaw != FLAW_NONE && file_remove_tree(folder, NULL) < 0)
		log_warn("%s cannot be removed", folder);
	return r;
}

static char *own_disk_path(const struct machine *m)
{
	return machine_path(m, "disk.fresh.qcow2");
}

// With the machine's own disk and archive put aside, which come back when it fails.
static int try_birth(struct machine *m, const char *folder, const char *provision, const char *accelerator,
		     struct error *err)
{
	cleanup_free char *disk = machine_path(m, "disk.qcow2");
	cleanup_free char *aside = own_disk_path(m);
	cleanup_buf struct buf plain = BUF_INIT;
	struct error why = ERROR_INIT;
	int r = file_read(provision, ARCHIVE_MAX, &plain, err);

	if (r == 0)
		r = make_archive(m, &plain, provision, err);
	if (r == 0 && rename(disk, aside) < 0)
		r = error_set(err, errno, "rename %s", disk);
	if (r < 0)
		return r;
	r = take_up(m, folder, provision, accelerator, err);
	if (r == 0) {
		if (file_unlink(aside, &why) < 0)
			log_warn("%s", why.msg);
		return 0;
	}
	qemu_end(m);
	if (rename(aside, disk) < 0 || file_replace(provision, plain.data, plain.len, 0600, &why) < 0)
		log_error("machine \"%s\" cannot be put back: remove it, and make it again", m->name);
	return r;
}

// As qemu_be_born, with errors.
static int be_born(struct machine *m, const char *provision, const char *accelerator, const char *system,
		   struct error *err)
{
	cleanup_free char *folder = NULL;
	cleanup_close int lock = -1;
	int r = templates_lock(m->ctx, true, &lock, err);

	if (r == 0)
		r = ensure_template(m, accelerator, system, &folder, err);
	if (r <= 0)
		return r;
	r = try_birth(m, folder, provision, accelerator, err);
	return r < 0 ? r : 1;
}

int qemu_undo_birth(const struct machine *m, struct error *err)
{
	cleanup_free char *disk = machine_path(m, "disk.qcow2");
	cleanup_free char *aside = own_disk_path(m);

	if (!file_exists(aside))
		return 0;
	// It was born after all, and may have been used since.
	if (!awaits_provision(m) || qemu_has_said(m, CONTRACT_BORN))
		return file_unlink(aside, err);
	log_warn("machine \"%s\": its birth from a template was cut short, and begins anew", m->name);
	return rename(aside, disk) < 0 ? error_set(err, errno, "rename %s", aside) : 0;
}

int qemu_be_born(struct machine *m, const char *provision, const char *accelerator, struct error *err)
{
	cleanup_free char *system = is_wanted(m, provision) ? system_digest(m) : NULL;
	struct error why = ERROR_INIT;
	int r = system ? be_born(m, provision, accelerator, system, &why) : 0;

	if (r >= 0)
		return r;
	if (r == -EINTR) {
		*err = why;
		return r;
	}
	log_warn("machine \"%s\" boots, because it cannot be born from a template: %s", m->name, why.msg);
	return 0;
}
