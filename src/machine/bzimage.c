// SPDX-License-Identifier: Apache-2.0
// Unpacks a bzImage's kernel; see bzimage.h.
//
// A bzImage's header tells where its payload is: the kernel as an ELF file, packed, and for all packers but gzip followed by
// its unpacked size in four bytes.
#include "bzimage.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/cursor.h"
#include "lib/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <string.h>

enum {
	SECTOR = 512,
	SETUP_SECTORS = 0x1f1, // offsets in the setup header
	HEADER_MAGIC = 0x202,
	PAYLOAD_OFFSET = 0x248,
	SIZE_LEN = 4,
	PVH_ENTRY_NOTE = 18,
	BZIMAGE_MAX = 128 << 20,
	KERNEL_MAX = 512 << 20,
	BLOCK = 256 << 10,
};

// Finds the payload, without the size behind it.
static bool find_payload(const struct buf *image, struct cursor *ret)
{
	uint8_t sectors;
	uint32_t offset, len;

	cursor_init(ret, image->data, image->len);
	cursor_skip(ret, SETUP_SECTORS);
	sectors = cursor_u8(ret);
	cursor_skip(ret, HEADER_MAGIC - SETUP_SECTORS - 1);
	if (cursor_le32(ret) != 0x53726448 ||
	    cursor_le16(ret) < 0x0208) // "HdrS", the first version with a payload's place
		return false;
	cursor_skip(ret, PAYLOAD_OFFSET - HEADER_MAGIC - 6);
	offset = cursor_le32(ret);
	len = cursor_le32(ret);
	cursor_init(ret, image->data, image->len);
	cursor_skip(ret, ((sectors ? sectors : 4u) + 1u) * SECTOR);
	cursor_skip(ret, offset);
	if (ret->failed || len <= SIZE_LEN || len > ret->left)
		return false;
	ret->left = len;
	if (!(ret->pos[0] == 0x1f && ret->pos[1] == 0x8b)) // gzip has the size in its own last bytes
		ret->left -= SIZE_LEN;
	return true;
}

static void archive_cleanup(struct archive **a)
{
	archive_read_free(*a);
}

// False when it is packed by something else, or damaged.
static bool unpack(const struct cursor *payload, struct buf *ret)
{
	CLEANUP(archive_cleanup) struct archive *a = archive_read_new();
	struct archive_entry *entry;
	la_ssize_t n;

	archive_read_support_format_raw(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	if (archive_read_open_memory(a, payload->pos, payload->left) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return false;
	do {
		buf_reserve(ret, BLOCK);
		n = archive_read_data(a, ret->data + ret->len, BLOCK);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n > 0 && ret->len <= KERNEL_MAX);
	return n == 0;
}

// The notes of one segment: name length, length, type, then name and bytes, each padded to four.
static bool notes_have_pvh_entry(struct cursor notes)
{
	while (notes.left > 0 && !notes.failed) {
		uint32_t name_len = cursor_le32(&notes), len = cursor_le32(&notes), type = cursor_le32(&notes);
		const uint8_t *name = cursor_bytes(&notes, name_len);

		if (name && name_len == 4 && memcmp(name, "Xen", 4) == 0 && type == PVH_ENTRY_NOTE)
			return true;
		cursor_skip(&notes, -(size_t)name_len & 3);
		cursor_skip(&notes, len);
		cursor_skip(&notes, -(size_t)len & 3);
	}
	return false;
}

bool elf_has_pvh_entry(const void *elf, size_t len)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (len < sizeof(header))
		return false;
	memcpy(&header, elf, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(segment))
		return false;
	for (size_t i = 0; i < header.e_phnum; i++) {
		struct cursor c;
		const uint8_t *bytes;

		cursor_init(&c, elf, len);
		cursor_skip(&c, header.e_phoff);
		cursor_skip(&c, i * sizeof(segment));
		bytes = cursor_bytes(&c, sizeof(segment));
		if (!bytes)
			return false;
		memcpy(&segment, bytes, sizeof(segment));
		if (segment.p_type != PT_NOTE)
			continue;
		cursor_init(&c, elf, len);
		cursor_skip(&c, segment.p_offset);
		if (c.failed || segment.p_filesz > c.left)
			return false;
		c.left = segment.p_filesz;
		if (notes_have_pvh_entry(c))
			return true;
	}
	return false;
}

int bzimage_unpack(const char *bzimage, const char *to, struct error *err)
{
	cleanup_buf struct buf image = BUF_INIT, kernel = BUF_INIT;
	struct cursor payload;
	int r = file_read(bzimage, BZIMAGE_MAX, &image, err);

	if (r < 0)
		return r;
	if (!find_payload(&image, &payload) || !unpack(&payload, &kernel) ||
	    !elf_has_pvh_entry(kernel.data, kernel.len))
		return 0;
	r = file_replace(to, kernel.data, kernel.len, 0644, err);
	return r < 0 ? r : 1;
}
