// SPDX-License-Identifier: Apache-2.0
// What a driver does for the commands. A driver keeps all it must remember in the object "Driver" of config.json and in
// the machine's folder; it has no state of its own.
#pragma once

#include "lib/error.h"
#include "lib/option.h"

#include <stdbool.h>

struct context;
struct create_options;
struct machine;

enum machine_state {
	STATE_NONE,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_SAVED,
	STATE_STOPPED,
	STATE_STOPPING,
	STATE_STARTING,
	STATE_ERROR,
	STATE_TIMEOUT,
};

// What is handed to a machine that starts.
enum provision_kind {
	PROVISION_NONE,
	PROVISION_CERTIFICATES, // new certificates only: the user's profile stays
	PROVISION_ALL,
};

// As Docker Machine prints them: "Running", "Stopped", …; "" for STATE_NONE.
const char *machine_state_name(enum machine_state state);

struct driver {
	const char *name;
	// Is what the driver needs there? Before anything is made; create exits with 3 when not.
	int (*check)(const struct context *ctx, const struct create_options *options, struct error *err);
	// Fills the driver's own fields of config.json from the flags of `create`.
	void (*configure)(struct machine *m, const struct create_options *options);
	// Makes disk, kernel and whatever else start needs, in the machine's folder (which exists).
	int (*create)(struct machine *m, struct error *err);
	// Starts it and returns when the hypervisor runs; the guest is not waited for. `provision` is a tar handed to
	// the guest for this start, or NULL; the file may be removed afterwards. May change config.json's fields
	// (ports): the caller saves.
	int (*start)(struct machine *m, const char *provision, struct error *err);
	// Presses the power button and waits until the machine is off; bounded.
	int (*stop)(struct machine *m, struct error *err);
	// Ends it at once. Not running is success; NULL where `refuse` is set. Must work on a damaged machine, of which only the folder is known.
	int (*kill)(struct machine *m, struct error *err);
	// Bounded by timeout_ms; STATE_TIMEOUT when it does not answer.
	int (*state)(struct machine *m, int timeout_ms, enum machine_state *ret, struct error *err);
	// Keeps the running machine's memory on the disk and ends its hypervisor; start goes on from there. NULL: cannot.
	int (*save)(struct machine *m, struct error *err);
	// What went wrong with a machine, in words: one that does not run ("QEMU crashed: …"), or one that does, in part; NULL (also
	// as the function): nothing is known. The caller frees.
	char *(*trouble)(const struct machine *m);
	// Seconds since its hypervisor was started, for the boot that it is in now; -1: not known (it was saved since). NULL: never
	// known.
	double (*uptime)(const struct machine *m);
	// The file the guest's console goes to; NULL: none. The caller frees.
	char *(*console_path)(const struct machine *m);

	// The rest is for drivers whose guest is not reached as QEMU's is; NULL or false: nothing special.
	const char *ssh_host; // where SSHPort is, when that is not the machine's IP
	bool resumes; // start also takes up a machine that is saved or paused
	// Called after start while the guest boots, without the lock: finds out its address and hands over what start
	// could not. Sets Driver.IPAddress; the caller saves.
	int (*attach)(struct machine *m, enum provision_kind kind, struct error *err);
	// A host that is not ours to start and to end: says so of the verb, with Docker Machine's words. NULL: it is ours. Of a
	// host that refuses, start has nothing to do (NULL: it is not provisioned either).
	int (*refuse)(const char *verb, const char *participle, struct error *err);
	bool over_network; // SSH to it leaves this host: its host key is kept at the first connection, and compared
	// Starts it again, where that is more than stop and start. The guest is not waited for.
	int (*restart)(struct machine *m, struct error *err);
	// Puts another image in place of the one in the machine's folder; the machine does not run. NULL: it has none.
	int (*install_image)(const struct machine *m, const char *url, struct error *err);
	// Called when the machine's engine answers, after every start of it, and by a start that found it running. NULL:
	// nothing is left to do.
	int (*ready)(struct machine *m, struct error *err);
	// Takes away what the driver keeps outside the machine's folder. The machine does not run. Nothing there:
	// success.
	int (*remove)(struct machine *m, struct error *err);
};

extern const struct driver *const drivers[]; // NULL-terminated
const struct driver *driver_find(const char *name); // NULL when there is none of that name
// The driver of a machine for which none is named: qemu where QEMU is installed, else virtualbox where VBoxManage is.
const char *driver_default(void);
// driver_find, with an error that lists those there are.
int driver_get(const char *name, const struct driver **ret, struct error *err) MUST_CHECK;

// Addresses, as config.json has them; borrowed from it.
const char *machine_ip(const struct machine *m);
const char *machine_ssh_host(const struct machine *m);
const char *machine_ssh_user(const struct machine *m);
int machine_ssh_port(const struct machine *m);
int machine_engine_port(const struct machine *m);
// tcp://IP:PORT. The caller frees.
char *machine_url(const struct machine *m);
// Ends it at once and takes away what its driver keeps outside the machine's folder: before the folder is removed.
int machine_end(struct machine *m, struct error *err) MUST_CHECK;
enum { STATE_TIMEOUT_MS = 5 * 1000 };
// The state, through the driver, bounded by STATE_TIMEOUT_MS. A machine whose driver we do not have: an error naming
// it.
int machine_get_state(struct machine *m, enum machine_state *ret, struct error *err) MUST_CHECK;
// What went wrong with a machine that does not run, or does so in part; or NULL. The caller frees.
char *machine_trouble(const struct machine *m);
// 0 when it runs, else "Host is not running" (ESHUTDOWN).
int machine_require_running(struct machine *m, struct error *err) MUST_CHECK;
int machine_require_driver(const struct machine *m, struct error *err) MUST_CHECK;
