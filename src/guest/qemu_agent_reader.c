// SPDX-License-Identifier: Apache-2.0
// The guest agent's requests in a stream of bytes.
#include "qemu_agent_reader.h"

#include <string.h>

#define BEGIN_ANEW 0xff

void agent_reader_reset(struct agent_reader *r)
{
	struct buf text = r->text;

	buf_clear(&text);
	*r = (struct agent_reader){ .text = text };
}

void agent_reader_done(struct agent_reader *r)
{
	buf_done(&r->text);
}

static enum agent_read drop(struct agent_reader *r, uint8_t byte)
{
	if (byte == '\n') {
		agent_reader_reset(r);
		return AGENT_GARBAGE;
	}
	r->dropping = true;
	return AGENT_NOTHING;
}

static void take_string_byte(struct agent_reader *r, uint8_t byte)
{
	if (r->escaped)
		r->escaped = false;
	else if (byte == '\\')
		r->escaped = true;
	else if (byte == '"')
		r->in_string = false;
}

static void take_bracket(struct agent_reader *r, uint8_t byte)
{
	if (byte == '"')
		r->in_string = true;
	else if (byte == '{' || byte == '[')
		r->depth++;
	else if (byte == '}' || byte == ']')
		r->depth--;
	r->complete = r->depth == 0;
}

enum agent_read agent_reader_take(struct agent_reader *r, uint8_t byte)
{
	if (r->complete || byte == BEGIN_ANEW)
		agent_reader_reset(r);
	if (byte == BEGIN_ANEW)
		return AGENT_NOTHING;
	if (r->depth == 0 && !r->dropping && strchr(" \t\r\n", byte) && byte)
		return AGENT_NOTHING;
	if (r->dropping || (r->depth == 0 && byte != '{') || (r->in_string && byte < ' ') ||
	    r->text.len == AGENT_REQUEST_MAX)
		return drop(r, byte);
	buf_putc(&r->text, (char)byte);
	if (r->in_string)
		take_string_byte(r, byte);
	else
		take_bracket(r, byte);
	return r->complete ? AGENT_REQUEST : AGENT_NOTHING;
}
