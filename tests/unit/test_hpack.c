/* SPDX-License-Identifier: Apache-2.0 */
/* HPACK: the RFC's examples, and nghttp2's deflater as the one who knows; seen from the first block, from a later one, with blocks lost. */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <time.h>

#include "agent/http/hpack.h"
#include "tests/tap.h"
#include "tests/unit/httpkit.h"

struct got {
	struct buf text;	/* "name: value\n", "?\n" where it is not known, "!" before what is sensitive */
	unsigned n, unknown;
};

static void got_field(void *ctx, const struct hpack_field *f)
{
	struct got *g = ctx;

	g->n++;
	if (f->sensitive)
		buf_adds(&g->text, "!");
	if (f->known)
		fact_field(&g->text, "", f->name, f->value);
	else
		buf_adds(&g->text, "?\n");
	g->unknown += !f->known;
}

static void got_free(struct got *g)
{
	buf_free(&g->text);
	*g = (struct got){ 0 };
}

/* In one piece, or as the bytes come. */
static int read_block(struct memory *m, struct hpack *h, const uint8_t *p, size_t n, size_t piece, struct got *g)
{
	size_t from = 0, used;
	int r;

	for (size_t end = piece && piece < n ? piece : n;; end = end + piece < n ? end + piece : n) {
		r = hpack_read(m, h, p + from, end - from, &used, got_field, g);
		if (r < 0)
			return r;
		from += used;
		if (end == n)
			return from == n ? 0 : -EBADMSG;
	}
}

/* ---- RFC 7541, appendix C */

static const struct example {
	const char *hex[3], *text[3];
} examples[] = {
	{ { "400a637573746f6d2d6b65790d637573746f6d2d686561646572" }, { "custom-key: custom-header\n" } },
	{ { "040c2f73616d706c652f70617468" }, { ":path: /sample/path\n" } },
	{ { "100870617373776f726406736563726574" }, { "!password: secret\n" } },
	{ { "82" }, { ":method: GET\n" } },
	{ { "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565" },
	  { ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
	    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
	    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n" } },
	{ { "828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf" },
	  { ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
	    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
	    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n" } },
	/* with a table of 256 bytes, so that entries are evicted */
	{ { "3fe101" "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
	    "4803333037c1c0bf",
	    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31" },
	  { ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
	    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
	    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\n"
	    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n" } },
	{ { "3fe101" "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3", "4883640effc1c0bf",
	    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007" },
	  { ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
	    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n",
	    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\ncontent-encoding: gzip\n"
	    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n" } },
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex += 2)
		sscanf(hex, "%2hhx", &out[n++]);
	return n;
}

static void rfc_examples(void)
{
	for (unsigned i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		for (size_t piece = 0; piece < 4; piece++) {
			struct memory m = { 0 };
			struct hpack h = { 0 };

			hpack_begin(&h, true);
			for (unsigned j = 0; j < 3 && examples[i].hex[j]; j++) {
				struct got g = { 0 };
				uint8_t block[256];
				size_t n = from_hex(examples[i].hex[j], block);

				ok_int(read_block(&m, &h, block, n, piece, &g), 0);
				ok_str(buf_text(&g.text), examples[i].text[j]);
				got_free(&g);
			}
			hpack_free(&h);
		}
}

static void what_is_wrong(void)
{
	static const char *const wrong[] = {
		"80", "be", "ffffffffffff7f", "408100", "00810284ffffffff00", "4082ffff03616263", "0081ff8100", "00837fffff00", "0085fffffffcff00",
	};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct memory m = { 0 };
		struct hpack h = { 0 };
		struct got g = { 0 };
		uint8_t block[64];
		size_t n = from_hex(wrong[i], block);

		hpack_begin(&h, true);
		ok_int(read_block(&m, &h, block, n, 0, &g), -EBADMSG);
		if (tap_failed)
			printf("# %s: %s\n", wrong[i], buf_text(&g.text));
		got_free(&g);
		hpack_free(&h);
	}
}

/* Every byte, long and short codes in turn. */
static void every_byte(void)
{
	struct memory m = { 0 };

	for (unsigned i = 0; i < 256 * 8; i++) {
		char value[64] = "00000000000000000000000000000000000000000000000000000000000";
		nghttp2_nv nv = { (uint8_t *)"x", (uint8_t *)value, 1, 50 + i % 8, NGHTTP2_NV_FLAG_NONE };
		struct got g = { 0 };
		struct hpack h = { 0 };
		nghttp2_hd_deflater *d;
		struct buf want = { 0 };
		uint8_t block[200];
		ssize_t n;

		value[20 + i % 8] = (char)(i / 8);
		value[nv.valuelen - 1] = (char)(255 - i / 8);
		must(!nghttp2_hd_deflate_new(&d, 4096));
		n = nghttp2_hd_deflate_hd(d, block, sizeof(block), &nv, 1);
		must(n > 0 && (size_t)n < nv.valuelen);	/* it is Huffman's */
		hpack_begin(&h, true);
		ok_int(read_block(&m, &h, block, (size_t)n, 0, &g), 0);
		fact_field(&want, "", (struct str){ "x", 1 }, (struct str){ value, nv.valuelen });
		ok_str(buf_text(&g.text), buf_text(&want));
		buf_free(&want);
		got_free(&g);
		hpack_free(&h);
		nghttp2_hd_deflate_del(d);
		must(1);
	}
}

/* ---- against nghttp2's deflater */

struct block {
	uint8_t *p;
	size_t n;
	struct buf text;	/* a line each field */
};

static void make_block(uint64_t *seed, nghttp2_hd_deflater *d, struct block *ret_b)
{
	static const char *const names[] = { ":method", ":path", ":status", "cookie", "x-a", "x-b", "content-type", "etag", "authorization", "x-c" };
	char value[24][400], name[24][24];
	unsigned n = 1 + chance(seed, 24);
	nghttp2_nv nv[24];

	ret_b->text = (struct buf){ 0 };
	for (unsigned i = 0; i < n; i++) {
		unsigned which = chance(seed, 14), len;

		if (which < 10)
			strcpy(name[i], names[which]);
		else
			snprintf(name[i], sizeof(name[i]), "n%u", chance(seed, 40));
		len = chance(seed, 6) ? 1 + chance(seed, 4) : chance(seed, 300);
		memset(value[i], (int)"ab\x01~Z\xff"[chance(seed, 6)], len);
		snprintf(value[i] + len, 40, "%u", chance(seed, 5));
		nv[i] = (nghttp2_nv){ (uint8_t *)name[i], (uint8_t *)value[i], strlen(name[i]), strlen(value[i]),
				      chance(seed, 9) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX };
		if (nv[i].flags || !strcmp(name[i], "authorization") || (!strcmp(name[i], "cookie") && nv[i].valuelen < 20))
			buf_adds(&ret_b->text, "!");
		fact_field(&ret_b->text, "", (struct str){ name[i], nv[i].namelen }, (struct str){ value[i], nv[i].valuelen });
	}
	ret_b->n = nghttp2_hd_deflate_bound(d, nv, n);
	ret_b->p = malloc(ret_b->n + 1);
	ret_b->n = (size_t)nghttp2_hd_deflate_hd(d, ret_b->p, ret_b->n, nv, n);
}

/* Each line is the true one, or "?". */
static bool lines_true(const char *given, const char *truth)
{
	while (*given && *truth) {
		size_t n = strcspn(given, "\n"), k = strcspn(truth, "\n");

		if (!(given[n - 1] == '?' && n <= 2) && (n != k || strncmp(given, truth, n)))
			return false;
		given += n + 1;
		truth += k + 1;
	}
	return !*given && !*truth;
}

struct tally {
	unsigned fields, unknown;
};

/* Blocks in `lost` are not seen. */
static void replay_blocks(struct block *b, unsigned n, unsigned from, uint64_t lost, size_t piece, struct tally *t)
{
	struct memory m = { 0 };
	struct hpack h = { 0 };

	hpack_begin(&h, !from && !lost);
	for (unsigned i = from; i < n; i++) {
		struct got g = { 0 };

		if (lost >> i & 1) {
			hpack_lost(&h);
			continue;
		}
		ok_int(read_block(&m, &h, b[i].p, b[i].n, piece, &g), 0);
		ok(lines_true(buf_text(&g.text), buf_text(&b[i].text)));
		if (tap_failed)
			printf("# block %u from %u lost %llx:\n%s# not\n%s", i, from, (unsigned long long)lost, buf_text(&g.text), buf_text(&b[i].text));
		t->fields += g.n;
		t->unknown += g.unknown;
		got_free(&g);
		if (tap_failed)
			break;
	}
	hpack_free(&h);
}

static void as_nghttp2(void)
{
	static const uint32_t sizes[] = { 4096, 0, 100, 300, 4096, 65536, 1 << 20 };
	struct tally whole = { 0 }, late = { 0 }, holes = { 0 };
	uint64_t seed = 42;

	for (unsigned round = 0; round < 60; round++) {
		struct block b[40];
		nghttp2_hd_deflater *d;

		must(!nghttp2_hd_deflate_new(&d, 1 << 20));
		nghttp2_hd_deflate_change_table_size(d, 4096);
		for (unsigned i = 0; i < 40; i++) {
			if (!chance(&seed, 9))
				nghttp2_hd_deflate_change_table_size(d, sizes[chance(&seed, 7)]);
			make_block(&seed, d, &b[i]);
		}
		replay_blocks(b, 40, 0, 0, chance(&seed, 3) ? 0 : 1 + chance(&seed, 9), &whole);
		for (unsigned i = 0; i < 10 && !tap_failed; i++)
			replay_blocks(b, 40, 1 + chance(&seed, 38), 0, 0, &late);
		for (unsigned i = 0; i < 10 && !tap_failed; i++)
			replay_blocks(b, 40, 0, 1ull << chance(&seed, 40) | 1ull << chance(&seed, 40), 0, &holes);
		for (unsigned i = 0; i < 40; i++) {
			buf_free(&b[i].text);
			free(b[i].p);
		}
		nghttp2_hd_deflate_del(d);
		must(1);
	}
	printf("# unknown: %u of %u from the beginning, %u of %u joined late, %u of %u with two blocks lost\n", whole.unknown, whole.fields,
	       late.unknown, late.fields, holes.unknown, holes.fields);
	ok(!whole.unknown);
	ok(late.unknown && late.unknown < late.fields / 4);
	ok(holes.unknown && holes.unknown < holes.fields / 4);
}

/* What cannot be wrong must not cost memory without bound. */
static void bounded(void)
{
	static uint8_t block[100000];
	struct memory m = { 0 };
	struct hpack h = { 0 };
	struct got g = { 0 };
	size_t n = 0, used;

	hpack_begin(&h, true);
	n += from_hex("3fe1ffff07", block);	/* a table of 16 MiB */
	while (n + 4 < sizeof(block))
		n += from_hex("40000000", block + n) - 1;	/* empty name, empty value */
	ok_int(hpack_read(&m, &h, block, n, &used, got_field, &g), 0);
	ok(used == n && g.n > 30000);
	ok(h.size <= HPACK_KEPT && h.n <= HPACK_KEPT / 32 && h.cap <= HPACK_KEPT / 16);
	ok(!h.complete);	/* the peer has more than we keep */
	got_free(&g);
	ok_int(hpack_read(&m, &h, (uint8_t *)"\xff\xff\x7f", 3, &used, got_field, &g), 0);
	ok_str(buf_text(&g.text), "?\n");
	got_free(&g);
	hpack_free(&h);
}

/* A field that comes a byte at a time is decoded once, not once a byte. */
static void in_bits(void)
{
	static const uint8_t eight[] = { 0x18, 0xc6, 0x31, 0x8c, 0x63 };	/* "aaaaaaaa" */
	static uint8_t block[80000];
	size_t n = 0, used, name = 40000, value = 30000;
	clock_t begin = clock();
	struct memory m = { 0 };
	struct hpack h = { 0 };
	struct got g = { 0 };

	hpack_begin(&h, true);
	n += from_hex("40ffc1b702", block);	/* a name of 127 + 39873 bytes of Huffman's code */
	for (size_t i = 0; i < name; i++)
		block[n++] = eight[i % sizeof(eight)];
	n += from_hex("7fb1e901", block + n);	/* a value of 127 + 29873 */
	memset(block + n, 'v', value);
	n += value;
	for (size_t i = 1; i < n; i++) {
		must(!hpack_read(&m, &h, block, i, &used, got_field, &g));
		must(!used && !g.n);
	}
	ok(clock() - begin < 5 * CLOCKS_PER_SEC);
	ok_int(hpack_read(&m, &h, block, n, &used, got_field, &g), 0);
	ok(used == n && g.n == 1);
	got_free(&g);
	hpack_free(&h);
}

static const struct tap_case cases[] = { CASE(rfc_examples), CASE(what_is_wrong), CASE(every_byte), CASE(as_nghttp2), CASE(bounded), CASE(in_bits) };
TAP_MAIN(cases)
