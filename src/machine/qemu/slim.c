// SPDX-License-Identifier: Apache-2.0
// A saved state without its empty pages; see slim.h.
//
// Theory of operation. QEMU's stream tells of every page of memory, nine bytes for one of zeros. A QEMU that loads it
// looks at each of these, and by that touches all of the memory: the host then clears and keeps what the guest never
// used (2 GB for 400 MB, and ten seconds where the host has no huge pages left). A new QEMU's main memory is zeros
// already, so these records say nothing, and are left out.
//
// The stream is "QEVM", a version, then sections: the configuration, those of memory, and all the others. A section of
// memory is a list of records. Each starts with eight bytes, of which the lower twelve bits are flags; the first of a
// block of memory bears the block's name, those that go on with it have the flag CONTINUE. Only records with that flag
// are left out, so those that stay mean what they meant.
//
// A page may be told of again, as it was changed meanwhile: then zeros do say something. So a record is left out only
// where its address is above all that were before. Blocks other than the main memory hold firmware, and are kept whole.
// From the first byte that is not understood (another version, other capabilities) all is kept.
#include "slim.h"

#include "lib/cursor.h"

#include <string.h>

enum part { PART_HEADER, PART_SECTIONS, PART_RECORDS };
enum { SECTION_START = 1, SECTION_PART = 2, SECTION_END = 3, SECTION_CONFIGURATION = 7, SECTION_FOOTER = 0x7e };
enum { FLAG_ZERO = 0x02, FLAG_SIZES = 0x04, FLAG_PAGE = 0x08, FLAG_END = 0x10, FLAG_CONTINUE = 0x20, FLAGS = 0xfff };
enum { STREAM_VERSION = 3, MEMORY_VERSION = 4, PAGE = 4096, NAME_MAX_LEN = 255, RECORD_MAX = 64 << 10 };

enum verdict { KEEP, DROP, UNKNOWN };

static bool is_text(const uint8_t *bytes, size_t len, const char *text)
{
	return bytes && len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static enum verdict read_header(struct slim *s, struct cursor *c)
{
	const uint8_t *magic = cursor_bytes(c, 4);
	uint32_t version = cursor_be32(c);

	if (c->failed)
		return KEEP;
	s->part = PART_SECTIONS;
	return is_text(magic, 4, "QEVM") && version == STREAM_VERSION ? KEEP : UNKNOWN;
}

static enum verdict read_start(struct slim *s, struct cursor *c)
{
	uint32_t section = cursor_be32(c);
	size_t len = cursor_u8(c);
	const uint8_t *name = cursor_bytes(c, len);

	cursor_skip(c, 4);
	uint32_t version = cursor_be32(c);
	if (c->failed)
		return KEEP;
	s->section = section;
	s->part = PART_RECORDS;
	return is_text(name, len, "ram") && version == MEMORY_VERSION ? KEEP : UNKNOWN;
}

static enum verdict read_next(struct slim *s, struct cursor *c)
{
	uint32_t section = cursor_be32(c);

	if (c->failed)
		return KEEP;
	s->part = PART_RECORDS;
	return section == s->section ? KEEP : UNKNOWN;
}

static enum verdict read_section(struct slim *s, struct cursor *c)
{
	switch (cursor_u8(c)) {
	case SECTION_CONFIGURATION:
		cursor_skip(c, cursor_be32(c));
		return KEEP;
	case SECTION_FOOTER:
		cursor_skip(c, 4);
		return KEEP;
	case SECTION_START:
		return read_start(s, c);
	case SECTION_PART:
	case SECTION_END:
		return read_next(s, c);
	default:
		return UNKNOWN;
	}
}

// The names and sizes of all blocks; `total` is the sum of the sizes.
static enum verdict read_sizes(struct cursor *c, uint64_t total)
{
	while (total && !c->failed) {
		cursor_skip(c, cursor_u8(c));
		uint64_t size = cursor_be64(c);
		if (!c->failed && (!size || size > total))
			return UNKNOWN;
		total -= size;
	}
	return KEEP;
}

static enum verdict read_page(struct slim *s, struct cursor *c, uint64_t address, unsigned int flags)
{
	bool goes_on = flags & FLAG_CONTINUE, is_main = s->is_main, is_zero = flags & FLAG_ZERO;
	int fill = 1;

	if (!goes_on) {
		size_t len = cursor_u8(c);
		is_main = is_text(cursor_bytes(c, len), len, "pc.ram");
	}
	if (is_zero)
		fill = cursor_u8(c);
	else
		cursor_skip(c, PAGE);
	if (c->failed)
		return KEEP;
	s->is_main = is_main;
	bool is_new = is_main && address >= s->reached;
	if (is_new)
		s->reached = address + PAGE;
	return is_zero && fill == 0 && goes_on && is_new ? DROP : KEEP;
}

static enum verdict read_record(struct slim *s, struct cursor *c)
{
	uint64_t word = cursor_be64(c);
	unsigned int flags = word & FLAGS;
	unsigned int kind = flags & ~(unsigned int)FLAG_CONTINUE;

	if (c->failed)
		return KEEP;
	if (kind == FLAG_ZERO || kind == FLAG_PAGE)
		return read_page(s, c, word - flags, flags);
	if (flags == FLAG_SIZES)
		return read_sizes(c, word - flags);
	s->part = PART_SECTIONS;
	return flags == FLAG_END ? KEEP : UNKNOWN;
}

static enum verdict read_one(struct slim *s, struct cursor *c)
{
	if (s->part == PART_HEADER)
		return read_header(s, c);
	return s->part == PART_SECTIONS ? read_section(s, c) : read_record(s, c);
}

static void keep(struct buf *out, const uint8_t *from, size_t len)
{
	if (len)
		buf_add(out, from, len);
}

void slim_done(struct slim *s)
{
	buf_done(&s->in);
}

void slim_feed(struct slim *s, const void *data, size_t len, struct buf *out)
{
	struct cursor c;

	buf_add(&s->in, data, len);
	cursor_init(&c, s->in.data, s->in.len);
	const uint8_t *kept = c.pos; // what follows is to be kept, and is not in `out` yet
	struct cursor whole = c; // behind the last record that is whole
	while (!s->verbatim && c.left) {
		enum verdict verdict = read_one(s, &c);
		if (c.failed)
			break;
		if (verdict == DROP) {
			keep(out, kept, (size_t)(whole.pos - kept));
			kept = c.pos;
		}
		s->verbatim = verdict == UNKNOWN || c.pos - whole.pos > RECORD_MAX;
		whole = c;
	}
	// None of ours is so long.
	s->verbatim |= whole.left > RECORD_MAX;
	if (s->verbatim)
		cursor_skip(&whole, whole.left);
	keep(out, kept, (size_t)(whole.pos - kept));
	memmove(s->in.data, whole.pos, whole.left);
	s->in.len = whole.left;
}

void slim_end(struct slim *s, struct buf *out)
{
	keep(out, (const uint8_t *)s->in.data, s->in.len);
	buf_clear(&s->in);
	s->verbatim = true;
}
