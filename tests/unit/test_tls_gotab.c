/* SPDX-License-Identifier: Apache-2.0 */
/* Go's table of functions in each of its layouts, made here by their description. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/tls/gotab.h"
#include "tests/tap.h"

static uint8_t b[4096];

static void put(size_t at, uint64_t v, unsigned size)
{
	memcpy(b + at, &v, size);
}

#define NAMES 1024
#define FUNCS 2048
#define DATA 512 /* of the functions, from FUNCS (2: from the beginning) */

/* Two functions, main.main at 0x1000 and crypto/tls.(*Conn).Read at 0x1040 to 0x1100. */
static size_t make(unsigned layout)
{
	static const uint32_t magics[] = { [2] = 0xfffffffb, [16] = 0xfffffffa, [18] = 0xfffffff0, [20] = 0xfffffff1 };
	static const char *const names[] = { "main.main", "crypto/tls.(*Conn).Read" };
	static const uint64_t starts[] = { 0x1000, 0x1040, 0x1100 };
	unsigned w = layout >= 18 ? 4 : 8;
	size_t funcs = layout == 2 ? 16 : FUNCS, base = layout == 2 ? 0 : FUNCS, name_base = layout == 2 ? 0 : NAMES;

	memset(b, 0, sizeof(b));
	put(0, magics[layout], 4);
	b[6] = 1;
	b[7] = 8;
	put(8, 2, 8);
	if (layout == 16) {
		put(24, NAMES, 8);
		put(56, FUNCS, 8);
	} else if (layout > 16) {
		put(GOTAB_TEXT_START, 0x401000, 8);
		put(32, NAMES, 8);
		put(64, FUNCS, 8);
	}
	for (unsigned i = 0; i < 2; i++) {
		put(funcs + i * 2 * w, starts[i], w);
		put(funcs + i * 2 * w + w, DATA + i * 64, w);
		put(base + DATA + i * 64, starts[i], w);
		put(base + DATA + i * 64 + w, (layout == 2 ? 700 : 0) + i * 32, 4);
		strcpy((char *)b + name_base + (layout == 2 ? 700 : 0) + i * 32, names[i]);
	}
	put(funcs + 4 * w, starts[2], w);
	return base + DATA + 2 * 64;
}

static void every_layout(void)
{
	static const unsigned layouts[] = { 2, 16, 18, 20 };

	for (unsigned n = 0; n < 4; n++) {
		struct gotab t;
		uint64_t entry = 0, end = 0;
		const char *name = "";

		make(layouts[n]);
		must(!gotab_open(b, sizeof(b), &t));
		ok_int(t.layout, layouts[n]);
		ok_int(t.nfunc, 2);
		ok_int(t.text_start, layouts[n] >= 18 ? 0x401000 : 0);
		ok(gotab_function(&t, 0, &entry, &end, &name));
		ok_str(name, "main.main");
		ok(gotab_function(&t, 1, &entry, &end, &name));
		ok_str(name, "crypto/tls.(*Conn).Read");
		ok_int(entry, 0x1040);
		ok_int(end, 0x1100);
		ok(!gotab_function(&t, 2, &entry, &end, &name));
	}
}

/* Cut anywhere: refused, or answers from what is left. The buffer ends there, for ASan. */
static void cut_short(void)
{
	static const unsigned layouts[] = { 2, 16, 18, 20 };
	unsigned refused = 0;

	for (unsigned n = 0; n < 4; n++)
		for (size_t size = 0, all = make(layouts[n]); size < all; size++) {
			uint8_t *p = malloc(size + !size);
			uint64_t entry, end;
			const char *name;
			struct gotab t;

			memcpy(p, b, size);
			if (gotab_open(p, size, &t) < 0)
				refused++;
			else
				for (uint64_t i = 0; i < 3; i++)
					if (gotab_function(&t, i, &entry, &end, &name))
						ok(name > (char *)p && name + strlen(name) < (char *)p + size);
			free(p);
		}
	ok(refused > 1000);
}

static void heads_that_are_none(void)
{
	struct gotab t = { .nfunc = 7 };

	make(20);
	b[0]++;
	ok_int(gotab_open(b, sizeof(b), &t), -EBADMSG);
	make(20);
	b[7] = 4; /* 32 bits */
	ok_int(gotab_open(b, sizeof(b), &t), -EBADMSG);
	make(18);
	put(8, UINT64_MAX / 4, 8);
	ok_int(gotab_open(b, sizeof(b), &t), -EBADMSG);
	make(18);
	put(64, sizeof(b), 8);
	ok_int(gotab_open(b, sizeof(b), &t), -EBADMSG);
	ok_int(t.nfunc, 7);
}

static void versions(void)
{
	static const struct {
		const char *text;
		int minor;
	} rows[] = { { "go1.19.8", 19 }, { "go1.16", 16 }, { "devel go1.22-4d2f15 Mon", 22 }, { "go1.21.0 X:boringcrypto", 21 }, { "go1.", -1 },
		     { "devel +a1b2c3", -1 }, { "", -1 }, { "go1.99999", -1 } };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned minor = 77;

		ok_int(goversion_minor(rows[i].text, &minor), rows[i].minor < 0 ? -EBADMSG : 0);
		ok_int(minor, rows[i].minor < 0 ? 77 : rows[i].minor);
	}
}

static void build_information(void)
{
	static const char inlined[] = "\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08go1.19.8\0";
	char text[16] = "";
	size_t pointer = 7;

	ok_int(gobuildinfo_version((const uint8_t *)inlined, sizeof(inlined), text, sizeof(text), &pointer), 0);
	ok_str(text, "go1.19.8");
	ok_int(pointer, 0);
	ok_int(gobuildinfo_version((const uint8_t *)inlined, 36, text, sizeof(text), &pointer), -EBADMSG); /* the text is cut */
	memcpy(b, inlined, sizeof(inlined));
	b[15] = 0;
	ok_int(gobuildinfo_version(b, sizeof(inlined), text, sizeof(text), &pointer), 0);
	ok_int(pointer, 16);
	b[15] = 1; /* big-endian */
	ok_int(gobuildinfo_version(b, sizeof(inlined), text, sizeof(text), &pointer), -EBADMSG);
}

static const struct tap_case cases[] = {
	CASE(every_layout), CASE(cut_short), CASE(heads_that_are_none), CASE(versions), CASE(build_information),
};
TAP_MAIN(cases)
