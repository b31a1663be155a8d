// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gotab.h"

static uint64_t word(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size); /* little-endian, as this machine is */
	return v;
}

static unsigned layout_of(const uint8_t *p)
{
	switch (word(p, 4)) {
	case 0xfffffffb:
		return 2;
	case 0xfffffffa:
		return 16;
	case 0xfffffff0:
		return 18;
	case 0xfffffff1:
		return 20;
	}
	return 0;
}

/* Width of an address in the list of functions and at the head of each function's data. */
static unsigned width(const struct gotab *t)
{
	return t->layout >= 18 ? 4 : 8;
}

int gotab_open(const uint8_t *p, size_t n, struct gotab *ret_t)
{
	struct gotab t = { .p = p, .n = n };
	uint64_t names = 0, funcs = 0;

	if (n < 8 + 8 * 8 || p[4] || p[5] || p[6] != 1 || p[7] != 8)
		return -EBADMSG;
	t.layout = layout_of(p);
	if (!t.layout)
		return -EBADMSG;
	t.nfunc = word(p + 8, 8);
	if (t.layout == 2) {
		funcs = 16;
	} else if (t.layout == 16) {
		names = word(p + 24, 8);
		funcs = word(p + 56, 8);
	} else {
		t.text_start = word(p + GOTAB_TEXT_START, 8);
		names = word(p + 32, 8);
		funcs = word(p + 64, 8);
	}
	if (names >= n || funcs >= n || !t.nfunc || t.nfunc >= (n - funcs) / (2 * width(&t)))
		return -EBADMSG;
	t.names = names;
	t.funcs = funcs;
	*ret_t = t;
	return 0;
}

bool gotab_function(const struct gotab *t, uint64_t i, uint64_t *ret_entry, uint64_t *ret_end, const char **ret_name)
{
	unsigned w = width(t);
	size_t base = t->layout == 2 ? 0 : t->funcs; /* function data is counted from here */
	const uint8_t *row = t->p + t->funcs + i * 2 * w;
	uint64_t data, name;

	if (i >= t->nfunc)
		return false;
	data = word(row + w, w);
	if (data > t->n - base || t->n - base - data < w + 4)
		return false;
	name = word(t->p + base + data + w, 4);
	if (name >= t->n - t->names || !memchr(t->p + t->names + name, 0, t->n - t->names - name))
		return false;
	*ret_entry = word(row, w);
	*ret_end = word(row + 2 * w, w); /* the last function has a row behind it too: gotab_open() left room for its address */
	*ret_name = (const char *)t->p + t->names + name;
	return *ret_end > *ret_entry;
}

int goversion_minor(const char *text, unsigned *ret_minor)
{
	const char *p = strstr(text, "go1.");
	unsigned long v;
	char *end;

	if (!p)
		return -EBADMSG;
	v = strtoul(p + 4, &end, 10);
	if (end == p + 4 || v > 1000)
		return -EBADMSG;
	*ret_minor = (unsigned)v;
	return 0;
}

int gobuildinfo_version(const uint8_t *p, size_t n, char *ret_text, size_t room, size_t *ret_pointer_at)
{
	static const char magic[] = "\xff Go buildinf:";
	size_t len = 0, at = 32;

	if (n < 32 || memcmp(p, magic, sizeof(magic) - 1) || p[14] != 8)
		return -EBADMSG;
	if (!(p[15] & 2)) {
		if (p[15] & 1)
			return -EBADMSG;
		*ret_pointer_at = 16;
		return 0;
	}
	for (unsigned shift = 0;; shift += 7) {
		if (at >= n || shift > 14)
			return -EBADMSG;
		len |= (size_t)(p[at] & 0x7f) << shift;
		if (!(p[at++] & 0x80))
			break;
	}
	if (!len || len > n - at)
		return -EBADMSG;
	snprintf(ret_text, room, "%.*s", (int)len, (const char *)p + at);
	*ret_pointer_at = 0;
	return 0;
}
