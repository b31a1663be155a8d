/* SPDX-License-Identifier: Apache-2.0 */
/* Byte strings and their places: the same for equal ones, in the order in which they came, over many resets of a table that has grown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/intern.h"
#include "proto/wire.h"
#include "tests/tap.h"

#define FIELD 3
#define MANY 200000u

static size_t text(char *to, uint32_t i)
{
	return (size_t)sprintf(to, "%u.%.*s", i, (int)(i % 40), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
}

/* n texts, each asked for three times, and what is written of them. */
static bool filled(struct intern *t, uint32_t first, uint32_t n)
{
	struct buf out = { 0 };
	struct wire_span s;
	const void *at, *again;
	char v[64];
	bool good = true;

	for (uint32_t i = 0; i < n && good; i++) {
		size_t len = text(v, first + i);

		good = intern_put(t, v, len, &at) == i && intern_put(t, v, len, &again) == i && at == again && !memcmp(at, v, len);
	}
	for (uint32_t i = n; i-- > 0 && good;)
		good = intern_add(t, v, text(v, first + i)) == i;
	good = good && t->count == n && !intern_write(t, &out) && out.n == t->bytes;
	s = (struct wire_span){ out.p, out.p + out.n };
	for (uint32_t i = 0; i < n && good; i++) {
		size_t len = text(v, first + i);
		uint64_t got = 0;

		good = *s.p++ == (FIELD << 3 | 2) && wire_get_varint(&s, &got) && got == len && !memcmp(s.p, v, len);
		s.p += len;
	}
	good = good && s.p == s.end;
	buf_free(&out);
	return good;
}

static void places_are_as_they_came(void)
{
	static const uint32_t sizes[] = { 0, 1, 511, 512, 513, 7, MANY, 3, 0, 20, MANY / 16, MANY, 1000, 1 };
	struct intern t;

	must(!intern_init(&t, FIELD, UINT32_MAX - 1));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ok(filled(&t, i * MANY, sizes[i]));
		intern_reset(&t);
	}
	intern_free(&t);
}

static void limits_are_told(void)
{
	static char large[INTERN_CHUNK + 1];
	const void *at;
	struct intern t;

	must(!intern_init(&t, FIELD, 2));
	ok_int(intern_add(&t, "", 0), 0);
	ok_int(intern_add(&t, large, INTERN_CHUNK + 1), -E2BIG);
	ok_int(intern_add(&t, large, INTERN_CHUNK), -E2BIG);
	ok_int(intern_add(&t, large, INTERN_CHUNK - 4), 1);
	ok_int(intern_add(&t, "c", 1), -E2BIG);
	ok_int(intern_put(&t, "", 0, &at), 0);
	ok_int(intern_add(&t, large, INTERN_CHUNK - 4), 1);
	ok_int(t.count, 2);
	intern_free(&t);
}

int main(void)
{
	static const struct tap_case cases[] = { CASE(places_are_as_they_came), CASE(limits_are_told) };

	return tap_run(cases, sizeof(cases) / sizeof(*cases));
}
