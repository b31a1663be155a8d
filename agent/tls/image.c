// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "lib/cleanup.h"

/* Bytes of the file, as many as there are. */
static size_t read_at(int fd, void *p, size_t n, uint64_t offset)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = pread(fd, (char *)p + have, n - have, (off_t)(offset + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		have += (size_t)r;
	}
	return have;
}

static int find_segments(struct image *m, uint64_t file_size)
{
	size_t n;

	if (elf_getphdrnum(m->elf, &n))
		return -EBADMSG;
	for (size_t i = 0; i < n && i < 4096 && m->nsegments < IMAGE_SEGMENTS_MAX; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(m->elf, (int)i, &p))
			return -EBADMSG;
		if (p.p_type != PT_LOAD || !p.p_filesz)
			continue;
		if (p.p_offset > file_size || p.p_filesz > file_size - p.p_offset || p.p_vaddr + p.p_filesz < p.p_vaddr)
			return -EBADMSG;
		m->segments[m->nsegments++] = (struct image_segment){ p.p_vaddr, p.p_offset, p.p_filesz, p.p_flags & PF_X };
	}
	return m->nsegments ? 0 : -EBADMSG;
}

static int check_header(struct image *m)
{
	GElf_Ehdr h;

	if (elf_kind(m->elf) != ELF_K_ELF || !gelf_getehdr(m->elf, &h))
		return -EBADMSG;
	if (gelf_getclass(m->elf) != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_X86_64 ||
	    (h.e_type != ET_EXEC && h.e_type != ET_DYN))
		return -ENOEXEC;
	/* a file whose section table is cut off still runs: it has no sections for us */
	if (elf_getshdrnum(m->elf, &m->nsections))
		m->nsections = 0;
	if (m->nsections > IMAGE_SECTIONS_MAX)
		m->nsections = IMAGE_SECTIONS_MAX;
	return 0;
}

int image_open(int fd, struct image *ret_m)
{
	struct image m = { .fd = fd };
	struct stat st;
	int r;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOEXEC;
	if (fstat(fd, &st) < 0)
		return -EIO;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	m.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!m.elf)
		return -EBADMSG;
	r = check_header(&m);
	if (!r)
		r = find_segments(&m, (uint64_t)st.st_size);
	if (r < 0) {
		image_close(&m);
		return r;
	}
	*ret_m = m;
	return 0;
}

void image_close(struct image *m)
{
	if (m->elf)
		elf_end(m->elf);
	m->elf = NULL;
}

static const struct image_segment *segment_of(const struct image *m, uint64_t addr)
{
	for (unsigned i = 0; i < m->nsegments; i++)
		if (addr >= m->segments[i].addr && addr - m->segments[i].addr < m->segments[i].size)
			return &m->segments[i];
	return NULL;
}

size_t image_read(const struct image *m, uint64_t addr, void *p, size_t n)
{
	const struct image_segment *s = segment_of(m, addr);

	if (!s)
		return 0;
	if (n > s->size - (addr - s->addr))
		n = s->size - (addr - s->addr);
	return read_at(m->fd, p, n, s->offset + (addr - s->addr));
}

int image_offset(const struct image *m, uint64_t addr, uint64_t *ret_offset)
{
	const struct image_segment *s = segment_of(m, addr);

	if (!s || !s->executable)
		return -ENOENT;
	*ret_offset = s->offset + (addr - s->addr);
	return 0;
}

bool image_is_code(const struct image *m, uint64_t addr)
{
	const struct image_segment *s = segment_of(m, addr);

	return s && s->executable;
}

bool image_section(const struct image *m, size_t index, struct image_section *ret_s)
{
	Elf_Scn *scn = index < m->nsections ? elf_getscn(m->elf, index) : NULL;
	const char *name;
	size_t names;
	GElf_Shdr h;

	if (!scn || !gelf_getshdr(scn, &h) || elf_getshdrstrndx(m->elf, &names))
		return false;
	name = elf_strptr(m->elf, names, h.sh_name);
	*ret_s = (struct image_section){ h.sh_addr, h.sh_offset, h.sh_size, h.sh_type, h.sh_flags, "" };
	snprintf(ret_s->name, sizeof(ret_s->name), "%.31s", name ? name : "");
	return true;
}

bool image_section_named(const struct image *m, const char *name, struct image_section *ret_s)
{
	for (size_t i = 1; i < m->nsections; i++)
		if (image_section(m, i, ret_s) && !strcmp(ret_s->name, name))
			return true;
	return false;
}

int image_section_read(const struct image *m, const struct image_section *s, uint8_t **ret_p)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct stat st;

	if (s->type == SHT_NOBITS || !s->size)
		return -ENOENT;
	if (fstat(m->fd, &st) < 0)
		return -EIO;
	if (s->offset > (uint64_t)st.st_size || s->size > (uint64_t)st.st_size - s->offset)
		return -EIO;
	if (s->size > IMAGE_PART_MAX)
		return -EFBIG;
	p = malloc(s->size);
	if (!p)
		return -ENOMEM;
	if (read_at(m->fd, p, s->size, s->offset) != s->size)
		return -EIO;
	*ret_p = TAKE_PTR(p);
	return 0;
}

static void to_hex(const uint8_t *p, size_t n, char *out, size_t room)
{
	for (size_t i = 0; i < n && 2 * i + 3 <= room; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* Notes are read through their segments: they are there without sections too. */
void image_build_id(const struct image *m, char *ret_hex, size_t n)
{
	size_t count;

	ret_hex[0] = 0;
	if (elf_getphdrnum(m->elf, &count))
		return;
	for (size_t i = 0; i < count && i < 4096; i++) {
		uint8_t b[1024];
		GElf_Phdr p;
		size_t have;

		if (!gelf_getphdr(m->elf, (int)i, &p) || p.p_type != PT_NOTE)
			continue;
		have = image_read(m, p.p_vaddr, b, p.p_filesz < sizeof(b) ? p.p_filesz : sizeof(b));
		for (size_t at = 0; at + 12 <= have;) {
			uint32_t h[3];

			memcpy(h, b + at, sizeof(h));
			if (h[0] > sizeof(b) || h[1] > sizeof(b))
				break;
			at += sizeof(h);
			if (h[2] == NT_GNU_BUILD_ID && h[0] == 4 && at + 4 + h[1] <= have && !memcmp(b + at, "GNU", 4)) {
				to_hex(b + at + 4, h[1], ret_hex, n);
				return;
			}
			at += ((h[0] + 3) & ~3U) + ((h[1] + 3) & ~3U);
		}
	}
}
