// SPDX-License-Identifier: Apache-2.0
// The packets of SNTP (RFC 4330).
#pragma once

#include "lib/error.h"

#include <stddef.h>
#include <stdint.h>

#define SNTP_PACKET 48

// Fills in a client's question. The cookie, which comes back in the answer, takes the place of our time: that is nobody's business.
void sntp_question(uint64_t cookie, uint8_t ret_packet[SNTP_PACKET]);

// Reads an answer, which is a stranger's: it must be a server's that knows the time, and carry the cookie. *ret_time is the
// time, in seconds since 1970, at which the answer arrived, when it was waited for that many seconds.
int sntp_answer(const uint8_t *packet, size_t len, uint64_t cookie, double waited, double *ret_time,
		struct error *err) MUST_CHECK;
