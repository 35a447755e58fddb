// SPDX-License-Identifier: Apache-2.0
// The certificates that the system trusts: the public ones of the image, and people's own.
#pragma once

#include "guest.h"

// Step: adds the certificates of /var/lib/boot2docker/certs to the system's bundle; without any, does nothing at all.
int truststore_fill(struct guest *g, struct error *err) MUST_CHECK;
