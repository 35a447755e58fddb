// SPDX-License-Identifier: Apache-2.0
// What is left out of a machine's state, and what is not.
#include "../unit/test.h"

#include "machine/qemu/slim.h"

#include <endian.h>

enum { ZERO = 0x02, SIZES = 0x04, PAGE = 0x08, END = 0x10, CONTINUE = 0x20, PAGE_SIZE = 4096, SECTION = 2 };

static void add_u32(struct buf *b, uint32_t value)
{
	value = htobe32(value);
	buf_add(b, &value, sizeof(value));
}

static void add_u64(struct buf *b, uint64_t value)
{
	value = htobe64(value);
	buf_add(b, &value, sizeof(value));
}

static void add_name(struct buf *b, const char *name)
{
	buf_putc(b, (char)strlen(name));
	buf_puts(b, name);
}

static void add_page(struct buf *b, uint64_t address, const char *block, bool is_zero)
{
	char page[PAGE_SIZE];

	add_u64(b, address | (is_zero ? ZERO : PAGE) | (block ? 0 : CONTINUE));
	if (block)
		add_name(b, block);
	memset(page, is_zero ? 0 : 'x', sizeof(page));
	buf_add(b, page, is_zero ? 1 : sizeof(page));
}

static void start_section(struct buf *b, char type)
{
	buf_putc(b, type);
	add_u32(b, SECTION);
}

static void end_section(struct buf *b)
{
	add_u64(b, END);
	buf_putc(b, 0x7e);
	add_u32(b, SECTION);
}

static void start_stream(struct buf *b, const char *first_section)
{
	buf_puts(b, "QEVM");
	add_u32(b, 3);
	buf_putc(b, 7);
	add_u32(b, 3);
	buf_puts(b, "q35");
	start_section(b, 1);
	add_name(b, first_section);
	add_u32(b, 0);
	add_u32(b, 4);
	add_u64(b, 0x12000 | SIZES);
	add_name(b, "pc.ram");
	add_u64(b, 0x10000);
	add_name(b, "pc.bios");
	add_u64(b, 0x2000);
	end_section(b);
}

// Both: what QEMU writes, and what is to be kept of it.
struct pair {
	struct buf full, kept;
};

static void both_page(struct pair *p, uint64_t address, const char *block, bool is_zero)
{
	add_page(&p->full, address, block, is_zero);
	add_page(&p->kept, address, block, is_zero);
}

static void both(struct pair *p, void (*add)(struct buf *b))
{
	add(&p->full);
	add(&p->kept);
}

static void add_start(struct buf *b)
{
	start_stream(b, "ram");
	start_section(b, 2);
}

static void add_end(struct buf *b)
{
	end_section(b);
	buf_puts(b, "\x04 the devices");
}

static void add_second_part(struct buf *b)
{
	end_section(b);
	start_section(b, 3);
}

static void check(struct pair *p, size_t piece)
{
	cleanup_slim struct slim s = SLIM_INIT;
	cleanup_buf struct buf out = BUF_INIT;

	for (size_t at = 0; at < p->full.len; at += piece)
		slim_feed(&s, p->full.data + at, p->full.len - at < piece ? p->full.len - at : piece, &out);
	slim_end(&s, &out);
	assert_int_equal(out.len, p->kept.len);
	assert_memory_equal(out.data, p->kept.data, out.len);
}

static void check_pair(struct pair *p)
{
	check(p, p->full.len);
	check(p, 1);
	check(p, 1000);
	buf_done(&p->full);
	buf_done(&p->kept);
}

static void test_empty_pages_of_main_memory_are_left_out(void **state)
{
	struct pair p = { 0 };

	(void)state;
	both(&p, add_start);
	both_page(&p, 0x0000, "pc.ram", true); // names the block
	add_page(&p.full, 0x1000, NULL, true);
	both_page(&p, 0x2000, NULL, false);
	add_page(&p.full, 0x3000, NULL, true);
	add_page(&p.full, 0x4000, NULL, true);
	both_page(&p, 0x5000, NULL, false);
	both(&p, add_end);
	check_pair(&p);
}

static void test_a_page_that_became_empty_is_kept(void **state)
{
	struct pair p = { 0 };

	(void)state;
	both(&p, add_start);
	both_page(&p, 0x0000, "pc.ram", false);
	both_page(&p, 0x1000, NULL, false);
	both(&p, add_second_part);
	both_page(&p, 0x1000, NULL, true);
	add_page(&p.full, 0x2000, NULL, true);
	both_page(&p, 0x2000, NULL, true);
	both(&p, add_end);
	check_pair(&p);
}

static void test_memory_of_firmware_is_kept_whole(void **state)
{
	struct pair p = { 0 };

	(void)state;
	both(&p, add_start);
	both_page(&p, 0x0000, "pc.bios", true);
	both_page(&p, 0x1000, NULL, true);
	both_page(&p, 0x0000, "pc.ram", true);
	add_page(&p.full, 0x1000, NULL, true);
	both(&p, add_end);
	check_pair(&p);
}

static void add_other_flag(struct buf *b)
{
	add_u64(b, 0x1000 | 0x40 | CONTINUE); // XBZRLE
}

static void test_from_what_is_not_understood_on_all_is_kept(void **state)
{
	struct pair p = { 0 };

	(void)state;
	both(&p, add_start);
	both_page(&p, 0x0000, "pc.ram", false);
	add_page(&p.full, 0x1000, NULL, true);
	both(&p, add_other_flag);
	both_page(&p, 0x2000, NULL, true);
	check_pair(&p);
}

static void add_disk_section(struct buf *b)
{
	start_stream(b, "block");
	start_section(b, 2);
}

static void test_other_sections_are_kept(void **state)
{
	struct pair p = { 0 };

	(void)state;
	both(&p, add_disk_section);
	both_page(&p, 0x0000, "pc.ram", true);
	both_page(&p, 0x1000, NULL, true);
	check_pair(&p);
}

static void test_what_is_no_state_is_kept(void **state)
{
	struct pair p = { 0 };

	(void)state;
	buf_puts(&p.full, "the state of a fake machine");
	buf_puts(&p.kept, "the state of a fake machine");
	check_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_pages_of_main_memory_are_left_out),
		cmocka_unit_test(test_a_page_that_became_empty_is_kept),
		cmocka_unit_test(test_memory_of_firmware_is_kept_whole),
		cmocka_unit_test(test_from_what_is_not_understood_on_all_is_kept),
		cmocka_unit_test(test_other_sections_are_kept),
		cmocka_unit_test(test_what_is_no_state_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
