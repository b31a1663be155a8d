/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - an opened x86-64 ELF file: its segments, sections, symbols and bytes by address.
 *
 * The file is hostile and may change while it is read: nothing of it is mapped, every size is bounded, every read is checked.
 * An address is one that the file itself uses (before it is relocated). Threads: no shared state, one image a thread.
 */
#ifndef HOSTTRAIL_TLS_IMAGE_H
#define HOSTTRAIL_TLS_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_SEGMENTS_MAX 64
#define IMAGE_SECTIONS_MAX 4096
#define IMAGE_PART_MAX (256U << 20)	/* of a section that is read whole */

struct image_segment {
	uint64_t addr, offset, size;
	bool executable;
};

struct image_section {
	uint64_t addr, offset, size;
	uint32_t type;
	uint64_t flags;
	char name[32];
};

struct image {
	int fd;
	Elf *elf;
	struct image_segment segments[IMAGE_SEGMENTS_MAX];
	unsigned nsegments;
	size_t nsections;
};

/* The descriptor stays the caller's. 0, -EBADMSG: not a sound ELF file, -ENOEXEC: of another machine or kind, -EIO, -ENOMEM. */
int image_open(int fd, struct image *ret_m);
void image_close(struct image *m);

/* Bytes at an address of a segment, fewer at its end; 0 where there are none. */
size_t image_read(const struct image *m, uint64_t addr, void *p, size_t n);
/* Where in the file an address of executable code lies. 0, -ENOENT. */
int image_offset(const struct image *m, uint64_t addr, uint64_t *ret_offset);
bool image_is_code(const struct image *m, uint64_t addr);

/* Sections. false: there is none. */
bool image_section(const struct image *m, size_t index, struct image_section *ret_s);
bool image_section_named(const struct image *m, const char *name, struct image_section *ret_s);
/* The whole of one, malloc()ed. 0, -ENOENT: it has no bytes, -EFBIG, -EIO, -ENOMEM. */
int image_section_read(const struct image *m, const struct image_section *s, uint8_t **ret_p);

/* Every symbol of .dynsym and .symtab that is a function defined here. The name lives until fn returns; fn may stop it: not 0. */
typedef int image_symbol_fn(const char *name, uint64_t addr, uint64_t size, void *arg);
int image_symbols(const struct image *m, image_symbol_fn *fn, void *arg);
/* The same of every symbol of .dynsym that other files are to define: address and size 0. */
int image_imports(const struct image *m, image_symbol_fn *fn, void *arg);

/* Every word that the loader sets to an address in this file: where it lies, and that address. fn may stop it: not 0. */
typedef int image_relocation_fn(uint64_t slot, uint64_t value, void *arg);
int image_relocations(const struct image *m, image_relocation_fn *fn, void *arg);

void image_build_id(const struct image *m, char *ret_hex, size_t n);	/* "" without one */

#endif
