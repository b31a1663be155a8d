// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "lib/cleanup.h"

/* A table and the strings that its entries name, both read whole; the last string ends. */
struct table {
	uint8_t *p, *names;
	size_t n, names_size;
};

static void table_done(struct table *t)
{
	free(t->p);
	free(t->names);
}

static int table_read(const struct image *m, size_t index, const struct image_section *s, struct table *ret_t)
{
	Elf_Scn *scn = elf_getscn(m->elf, index);
	struct table t = { .n = s->size / sizeof(Elf64_Sym) };
	struct image_section names;
	GElf_Shdr h;
	int r;

	if (!scn || !gelf_getshdr(scn, &h) || !image_section(m, h.sh_link, &names) || names.type != SHT_STRTAB)
		return -EBADMSG;
	r = image_section_read(m, s, &t.p);
	if (!r)
		r = image_section_read(m, &names, &t.names);
	if (r < 0) {
		table_done(&t);
		return r;
	}
	t.names_size = names.size;
	t.names[names.size - 1] = 0;
	*ret_t = t;
	return 0;
}

static Elf64_Sym symbol_at(const struct table *t, size_t i)
{
	Elf64_Sym s;

	memcpy(&s, t->p + i * sizeof(s), sizeof(s));
	return s;
}

static bool is_defined_function(const struct image *m, const struct table *t, const Elf64_Sym *s)
{
	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF && s->st_name < t->names_size &&
	       image_is_code(m, s->st_value);
}

static int symbols_of(const struct image *m, size_t index, const struct image_section *s, bool imports, image_symbol_fn *fn, void *arg)
{
	_cleanup_(table_done) struct table t = { 0 };
	int r = 0;

	if (table_read(m, index, s, &t) < 0)
		return 0;
	for (size_t n = 1; !r && n < t.n; n++) {
		Elf64_Sym y = symbol_at(&t, n);

		if (imports ? y.st_shndx == SHN_UNDEF && y.st_name < t.names_size : is_defined_function(m, &t, &y))
			r = fn((const char *)t.names + y.st_name, imports ? 0 : y.st_value, imports ? 0 : y.st_size, arg);
	}
	return r;
}

int image_symbols(const struct image *m, image_symbol_fn *fn, void *arg)
{
	struct image_section s;
	int r = 0;

	for (size_t i = 1; !r && i < m->nsections; i++)
		if (image_section(m, i, &s) && (s.type == SHT_DYNSYM || s.type == SHT_SYMTAB))
			r = symbols_of(m, i, &s, false, fn, arg);
	return r;
}

int image_imports(const struct image *m, image_symbol_fn *fn, void *arg)
{
	struct image_section s;
	int r = 0;

	for (size_t i = 1; !r && i < m->nsections; i++)
		if (image_section(m, i, &s) && s.type == SHT_DYNSYM)
			r = symbols_of(m, i, &s, true, fn, arg);
	return r;
}

static int relocations_in(const struct image *m, const struct image_section *s, const struct table *t, image_relocation_fn *fn, void *arg)
{
	_cleanup_free_ uint8_t *p = NULL;
	int r = 0;

	if (image_section_read(m, s, &p) < 0)
		return 0;
	for (size_t at = 0; !r && at + sizeof(Elf64_Rela) <= s->size; at += sizeof(Elf64_Rela)) {
		Elf64_Rela e;
		Elf64_Sym y;

		memcpy(&e, p + at, sizeof(e));
		if (ELF64_R_TYPE(e.r_info) == R_X86_64_RELATIVE) {
			r = fn(e.r_offset, (uint64_t)e.r_addend, arg);
			continue;
		}
		if (!ELF64_R_SYM(e.r_info) || ELF64_R_SYM(e.r_info) >= t->n)
			continue;
		y = symbol_at(t, ELF64_R_SYM(e.r_info));
		if (y.st_shndx != SHN_UNDEF)
			r = fn(e.r_offset, y.st_value + (uint64_t)e.r_addend, arg);
	}
	return r;
}

int image_relocations(const struct image *m, image_relocation_fn *fn, void *arg)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct image_section s;
	int r = 0;

	for (size_t i = 1; !t.p && i < m->nsections; i++)
		if (image_section(m, i, &s) && s.type == SHT_DYNSYM && table_read(m, i, &s, &t) < 0)
			break;
	for (size_t i = 1; !r && i < m->nsections; i++)
		if (image_section(m, i, &s) && s.type == SHT_RELA && (s.flags & SHF_ALLOC))
			r = relocations_in(m, &s, &t, fn, arg);
	return r;
}
