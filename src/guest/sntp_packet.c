// SPDX-License-Identifier: Apache-2.0
// Reading and writing packets of SNTP.
#include "sntp_packet.h"

#include "lib/cursor.h"

#include <errno.h>
#include <string.h>

#define EPOCH_DIFFERENCE 2208988800.0 // 1900 to 1970
#define ERA 4294967296.0 // seconds count from 0 again in 2036
#define ERA_BIT 0x80000000
#define COOKIE_AT 40 // "transmit timestamp", which the server sends back as "originate timestamp"

void sntp_question(uint64_t cookie, uint8_t ret_packet[SNTP_PACKET])
{
	memset(ret_packet, 0, SNTP_PACKET);
	ret_packet[0] = 0x23; // version 4, client
	for (int i = 0; i < 8; i++)
		ret_packet[COOKIE_AT + i] = (uint8_t)(cookie >> (56 - 8 * i));
}

static double timestamp(struct cursor *c)
{
	uint32_t whole = cursor_be32(c);
	double seconds = (double)whole + (whole & ERA_BIT ? 0 : ERA) - EPOCH_DIFFERENCE;

	return seconds + (double)cursor_be32(c) / 4294967296.0;
}

int sntp_answer(const uint8_t *packet, size_t len, uint64_t cookie, double waited, double *ret_time, struct error *err)
{
	struct cursor c;
	uint8_t mode, stratum;
	double arrived, left;

	cursor_init(&c, packet, len);
	mode = cursor_u8(&c);
	stratum = cursor_u8(&c);
	cursor_skip(&c, 22);
	if (cursor_be64(&c) != cookie || c.failed)
		return error_say(err, EBADMSG, "an answer to another question");
	arrived = timestamp(&c);
	left = timestamp(&c);
	if (c.failed || (mode & 7) != 4 || mode >> 6 == 3 || stratum == 0 || stratum > 15)
		return error_say(err, EBADMSG, "the server does not know the time");
	if (left < arrived || left - arrived > waited)
		return error_say(err, EBADMSG, "the server says that it took longer than we waited");
	// The way there is taken to be as long as the way back.
	*ret_time = left + (waited - (left - arrived)) / 2;
	return 0;
}
