// SPDX-License-Identifier: Apache-2.0
// The certificates of the engine's TLS port: given by the profile, or made and renewed by b2d-certs.
#pragma once

#include "profile.h"

// Sees to it that the files the profile names are there and fit, and puts the client's where docker's client looks for them.
// What fails is logged. Returns whether CA, server certificate and key are there.
bool tls_ensure(const struct guest *g, const struct profile *p);

// What decides whether certificates have to be looked at again: the names, and the files as they are. The caller frees.
char *tls_stamp(const struct profile *p, const struct strv *names);
