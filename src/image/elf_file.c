// SPDX-License-Identifier: Apache-2.0
// A small ELF reader. Every offset comes from the file, so each table is first cut out of it with its bounds checked.

#include "image/elf_file.h"

#include "lib/alloc.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t len;
};

static bool slice(struct bytes b, uint64_t offset, uint64_t len, struct bytes *ret)
{
	if (offset > b.len || len > b.len - offset)
		return false;
	*ret = (struct bytes){ b.data + offset, (size_t)len };
	return true;
}

// The string at an offset of a string table, or NULL when it does not end inside.
static const char *string_at(struct bytes table, uint64_t offset)
{
	if (offset >= table.len || !memchr(table.data + offset, '\0', table.len - (size_t)offset))
		return NULL;
	return (const char *)table.data + offset;
}

bool elf_is_elf(const void *data, size_t len)
{
	return len >= sizeof(Elf64_Ehdr) && memcmp(data, ELFMAG, SELFMAG) == 0;
}

static int read_header(struct bytes file, Elf64_Ehdr *ret, struct error *err)
{
	if (!elf_is_elf(file.data, file.len))
		return error_say(err, EINVAL, "not an ELF file");
	memcpy(ret, file.data, sizeof(*ret));
	if (ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_ident[EI_DATA] != ELFDATA2LSB || ret->e_machine != EM_X86_64)
		return error_say(err, EINVAL, "not an ELF file for x86-64");
	return 0;
}

void elf_needs_done(struct elf_needs *n)
{
	strv_done(&n->needed);
	strv_done(&n->search);
	free(n->interpreter);
	n->interpreter = NULL;
}

// Where a virtual address lies in the file, by the PT_LOAD segments.
static bool map_address(struct bytes headers, uint64_t address, uint64_t *ret)
{
	for (size_t at = 0; at + sizeof(Elf64_Phdr) <= headers.len; at += sizeof(Elf64_Phdr)) {
		Elf64_Phdr p;

		memcpy(&p, headers.data + at, sizeof(p));
		if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
			*ret = address - p.p_vaddr + p.p_offset;
			return true;
		}
	}
	return false;
}

static uint64_t dynamic_value(struct bytes dynamic, int64_t tag)
{
	for (size_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.len; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn d;

		memcpy(&d, dynamic.data + at, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == tag)
			return d.d_un.d_val;
	}
	return 0;
}

static int read_dynamic(struct bytes file, struct bytes headers, struct bytes dynamic, struct elf_needs *ret,
			struct error *err)
{
	struct bytes strings;
	uint64_t offset, search;

	if (!map_address(headers, dynamic_value(dynamic, DT_STRTAB), &offset) ||
	    !slice(file, offset, dynamic_value(dynamic, DT_STRSZ), &strings))
		return error_say(err, EINVAL, "damaged ELF file: its string table is not in it");
	for (size_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.len; at += sizeof(Elf64_Dyn)) {
		const char *name;
		Elf64_Dyn d;

		memcpy(&d, dynamic.data + at, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag != DT_NEEDED)
			continue;
		name = string_at(strings, d.d_un.d_val);
		if (!name || !*name)
			return error_say(err, EINVAL, "damaged ELF file: a library's name is not in it");
		strv_push(&ret->needed, name);
	}
	search = dynamic_value(dynamic, DT_RUNPATH);
	if (search == 0)
		search = dynamic_value(dynamic, DT_RPATH);
	if (search != 0 && string_at(strings, search))
		strv_split(&ret->search, string_at(strings, search), ":");
	return 0;
}

static int read_segments(struct bytes file, struct bytes headers, struct elf_needs *ret, struct error *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at + sizeof(Elf64_Phdr) <= headers.len; at += sizeof(Elf64_Phdr)) {
		struct bytes segment;
		Elf64_Phdr p;

		memcpy(&p, headers.data + at, sizeof(p));
		if (p.p_type != PT_INTERP && p.p_type != PT_DYNAMIC)
			continue;
		if (!slice(file, p.p_offset, p.p_filesz, &segment))
			return error_say(err, EINVAL, "damaged ELF file: a segment is not in it");
		if (p.p_type == PT_DYNAMIC)
			r = read_dynamic(file, headers, segment, ret, err);
		else if (!ret->interpreter && string_at(segment, 0))
			ret->interpreter = xstrdup(string_at(segment, 0));
	}
	return r;
}

int elf_read_needs(const void *data, size_t len, struct elf_needs *ret, struct error *err)
{
	cleanup_elf_needs struct elf_needs needs = { .interpreter = NULL };
	struct bytes file = { data, len }, headers;
	Elf64_Ehdr h;
	int r;

	r = read_header(file, &h, err);
	if (r < 0)
		return r;
	if (h.e_phnum > 0 && h.e_phentsize != sizeof(Elf64_Phdr))
		return error_say(err, EINVAL, "damaged ELF file: odd program headers");
	if (!slice(file, h.e_phoff, (uint64_t)h.e_phnum * sizeof(Elf64_Phdr), &headers))
		return error_say(err, EINVAL, "damaged ELF file: its program headers are not in it");
	r = read_segments(file, headers, &needs, err);
	if (r < 0)
		return r;
	*ret = needs;
	needs = (struct elf_needs){ .interpreter = NULL };
	return 0;
}

static bool read_section(struct bytes headers, size_t index, Elf64_Shdr *ret)
{
	struct bytes one;

	if (!slice(headers, index * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr), &one))
		return false;
	memcpy(ret, one.data, sizeof(*ret));
	return true;
}

int elf_find_section(const void *data, size_t len, const char *name, const uint8_t **ret, size_t *ret_len,
		     struct error *err)
{
	struct bytes file = { data, len }, headers, names, found;
	Elf64_Shdr section;
	Elf64_Ehdr h;
	int r;

	r = read_header(file, &h, err);
	if (r < 0)
		return r;
	if (h.e_shentsize != sizeof(Elf64_Shdr) ||
	    !slice(file, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr), &headers) ||
	    !read_section(headers, h.e_shstrndx, &section) || !slice(file, section.sh_offset, section.sh_size, &names))
		return error_say(err, EINVAL, "damaged ELF file: its sections are not in it");
	for (size_t i = 0; i < h.e_shnum; i++) {
		const char *this;

		if (!read_section(headers, i, &section) || section.sh_type == SHT_NOBITS)
			continue;
		this = string_at(names, section.sh_name);
		if (!this || strcmp(this, name) != 0)
			continue;
		if (!slice(file, section.sh_offset, section.sh_size, &found))
			return error_say(err, EINVAL, "damaged ELF file: section %s is not in it", name);
		*ret = found.data;
		*ret_len = found.len;
		return 0;
	}
	return error_say(err, ENOENT, "no section %s", name);
}
