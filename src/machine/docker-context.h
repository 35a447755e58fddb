// SPDX-License-Identifier: Apache-2.0
// The docker client's contexts: one for each machine, so that `docker --context NAME` and `docker context use NAME` reach it.
//
// Written by ourselves, in the client's own format: no client has to be there. A context that is not ours (its metadata name
// another machine's folder, or none) is never touched. "default" is a name that docker keeps to itself: the machine of that name
// has the context "boot2docker".
#pragma once

#include "lib/error.h"

struct context;
struct machine;

// The context's name. NULL: the client takes no such name (it wants two characters). The caller frees.
char *docker_context_name(const char *machine);
// Makes the machine's context or brings it up to date: its URL and certificates. EEXIST: there is one of that name that is
// not ours.
int docker_context_write(const struct machine *m, struct error *err) MUST_CHECK;
// The same when the machine has one already; what goes wrong is only a warning.
void docker_context_refresh(const struct machine *m);
// Removes the machine's context, if there is one; when it was the current one, the client goes back to its default.
int docker_context_remove(const struct machine *m, struct error *err) MUST_CHECK;
// Makes the context the client's current one; NULL: back to its default.
int docker_context_use(const char *name, struct error *err) MUST_CHECK;
// The client's current context, "" for its default. The caller frees.
char *docker_context_current(void);
