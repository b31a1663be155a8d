/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <unistd.h>
#include <zstd.h>

#include "proto/frame.h"
#include "proto/keys.h"
#include "tests/tap.h"

static struct sign_key *key(void)
{
	static struct sign_key *k;
	char path[] = "/tmp/test_frame.XXXXXX";

	if (k)
		return k;
	close(mkstemp(path));
	unlink(path);
	if (sign_key_make(path) || sign_key_load(path, &k))
		abort();
	unlink(path);
	return k;
}

static struct frame_header header(void)
{
	struct frame_header h = { .chain = CHAIN_DATA, .number = 0x0102030405060708, .records = 3, .first_time = 11,
				  .last_time = 22, .wall_offset = -5, .nranges = 2 };

	memset(h.stream, 0xab, sizeof(h.stream));
	memset(h.previous, 0xcd, sizeof(h.previous));
	h.ranges[0] = (struct frame_range){ 2, 0x0304, 100, 200 };
	h.ranges[1] = (struct frame_range){ 1, 7, 5, 5 };
	return h;
}

static const char raw[] = "hello hello hello hello hello";

static void make(struct buf *out, uint8_t hash[32])
{
	struct frame_header h = header();

	if (frame_build(&h, raw, sizeof(raw), sign_key_sign, key(), out, hash))
		abort();
}

static void round_trip(void)
{
	struct buf out = { 0 }, back = { 0 };
	struct frame_header h = { 0 }, want = header();
	uint8_t hash[32], again[32], pub[32];
	const char *why;
	size_t total;

	make(&out, hash);
	ok_int(frame_peek(out.p, out.n, &h, &total), 0);
	ok_int(total, out.n);
	must(frame_check(out.p, out.n, &h, &why) == 0 && !why);
	ok(h.chain == want.chain && h.number == want.number && h.records == 3 && h.first_time == 11 && h.last_time == 22);
	ok(h.wall_offset == -5 && h.nranges == 2 && h.raw_len == sizeof(raw) && !memcmp(h.stream, want.stream, 16));
	ok(!memcmp(h.ranges, want.ranges, 2 * sizeof(want.ranges[0])) && !memcmp(h.previous, want.previous, 32));
	sign_key_public(key(), pub);
	ok_int(frame_verify(out.p, &h, pub), 0);
	pub[0] ^= 1;
	ok(frame_verify(out.p, &h, pub) != 0);
	frame_hash(out.p, &h, again);
	ok(!memcmp(hash, again, 32));
	ok_int(frame_payload(out.p, &h, &back), 0);
	ok(back.n == sizeof(raw) && !memcmp(back.p, raw, back.n));
	buf_free(&out);
	buf_free(&back);
}

static uint64_t le(const uint8_t *p, unsigned n)
{
	return n ? p[0] | le(p + 1, n - 1) << 8 : 0;
}

/* Each field where the drawing in frame.h and docs/frame-format.md puts it. */
static void layout(void)
{
	struct buf out = { 0 };
	uint8_t hash[32], want[32];
	const uint8_t *p;
	size_t payload;

	make(&out, hash);
	p = out.p;
	payload = (size_t)le(p + 104, 4);
	ok(!memcmp(p, "HTF1", 4) && le(p + 4, 2) == 138 + 2 * 19 + 68 && le(p + 6, 2) == 1);
	ok(p[8] == 1 && p[9] == 0 && le(p + 10, 2) == 0 && p[12] == 0xab && p[27] == 0xab);
	ok(le(p + 28, 8) == 0x0102030405060708 && p[36] == 0xcd && p[67] == 0xcd);
	SHA256(p + 244, payload, want);
	ok(!memcmp(p + 68, want, 32));
	ok(le(p + 100, 4) == 3 && out.n == 244 + payload && le(p + 108, 4) == sizeof(raw));
	ok(le(p + 112, 8) == 11 && le(p + 120, 8) == 22 && (int64_t)le(p + 128, 8) == -5 && le(p + 136, 2) == 2);
	ok(p[138] == 2 && le(p + 139, 2) == 0x0304 && le(p + 141, 8) == 100 && le(p + 149, 8) == 200 && p[157] == 1);
	SHA256(p, 138 + 2 * 19, want);
	ok(!memcmp(hash, want, 32));
	ok_int(le(p + 240, 4), crc32c(crc32c(0, p, 240), p + 244, payload));
	buf_free(&out);
}

/* Any bit that is turned over anywhere is noticed, any cut asks for more. */
static void every_bit_and_every_cut(void)
{
	struct buf out = { 0 };
	struct frame_header h;
	uint8_t hash[32];
	const char *why;
	size_t total;

	make(&out, hash);
	for (size_t i = 0; i < out.n; i++) {
		int r;

		out.p[i] ^= (uint8_t)(1u << i % 8);
		r = frame_check(out.p, out.n, &h, &why);
		if ((r != -EBADMSG && r != -EAGAIN) || !why) {
			printf("# byte %zu: %d\n", i, r);
			ok(false);
		}
		out.p[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t n = 0; n < out.n; n++) {
		ok_int(frame_check(out.p, n, &h, &why), -EAGAIN);
		ok_int(frame_peek(out.p, n, &h, &total), n < 244 ? -EAGAIN : 0);
	}
	ok_int(frame_check(out.p, out.n, &h, &why), 0);
	ok_int(frame_check("GET / HTTP/1.1", 14, &h, &why), -EBADMSG);
	ok_int(frame_peek("G", 1, &h, &total), -EBADMSG);
	buf_free(&out);
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* A header with one field wrong is refused by its front alone, before anything is allocated or waited for. */
static void limits(void)
{
	static const struct {
		unsigned at, n;
		uint64_t value;
	} cases[] = { { 0, 4, 0 },	 { 4, 2, 100 },	   { 4, 2, 4097 }, { 4, 2, 245 },     { 6, 2, 2 },
		      { 8, 1, 3 },	 { 9, 1, 2 },	   { 10, 2, 1 },   { 104, 4, (4 << 20) + 1 }, { 108, 4, (64 << 20) + 1 },
		      { 136, 2, 1 }, { 136, 2, 3 }, { 136, 2, 205 }, { 141, 8, 201 } };
	struct buf out = { 0 };
	struct frame_header h;
	uint8_t hash[32], front[244];
	size_t total;

	make(&out, hash);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(front, out.p, sizeof(front));
		put(front + cases[i].at, cases[i].value, cases[i].n);
		if (frame_peek(front, sizeof(front), &h, &total) != -EBADMSG) {
			printf("# case %zu\n", i);
			ok(false);
		}
	}
	buf_free(&out);
}

static void most_ranges(void)
{
	struct frame_header h = header(), back;
	struct buf out = { 0 };
	uint8_t hash[32];
	const char *why;

	h.nranges = FRAME_RANGES_MAX;
	for (unsigned i = 0; i < FRAME_RANGES_MAX; i++)
		h.ranges[i] = (struct frame_range){ 2, (uint16_t)i, i, i + 1 };
	must(!frame_build(&h, raw, sizeof(raw), sign_key_sign, key(), &out, hash));
	ok(!frame_check(out.p, out.n, &back, &why) && back.header_len <= FRAME_HEADER_MAX && back.ranges[203].cpu == 203);
	h.nranges++;
	ok_int(frame_build(&h, raw, sizeof(raw), sign_key_sign, key(), &out, hash), -EINVAL);
	buf_free(&out);
}

static int refuse(void *ctx, const void *p, size_t n, uint8_t sig[64])
{
	return -EPERM;
}

static void failures_leave_out_unchanged(void)
{
	struct frame_header h = header();
	struct buf out = { 0 };
	uint8_t hash[32], *big = malloc(FRAME_RAW_MAX + 1);

	buf_adds(&out, "before");
	ok_int(frame_build(&h, raw, sizeof(raw), refuse, NULL, &out, hash), -EPERM);
	ok_int(out.n, 6);
	ok_int(frame_build(&h, big, FRAME_RAW_MAX + 1, sign_key_sign, key(), &out, hash), -E2BIG);
	random_bytes(big, 5 << 20);	/* does not compress below 4 MiB */
	ok_int(frame_build(&h, big, 5 << 20, sign_key_sign, key(), &out, hash), -E2BIG);
	ok(out.n == 6 && !out.failed && !memcmp(out.p, "before", 6));
	free(big);
	buf_free(&out);
}

/* Payloads that do not keep what their header promises. */
static int bomb(const void *payload, size_t n, uint32_t raw_len)
{
	struct frame_header h = { .header_len = 0, .payload_len = (uint32_t)n, .raw_len = raw_len };
	struct buf out = { 0 };
	int r = frame_payload(payload, &h, &out);

	if (r < 0 && (out.n || out.cap > raw_len + 256))
		r = 1;
	buf_free(&out);
	return r;
}

static void bombs(void)
{
	size_t big = 80 << 20, n;
	uint8_t *zeros = calloc(1, big), *c = malloc(ZSTD_compressBound(big)), two[200];

	n = ZSTD_compress(c, ZSTD_compressBound(big), zeros, big, 1);
	ok_int(bomb(c, n, FRAME_RAW_MAX), -EBADMSG);		/* holds more than it says */
	ok_int(bomb(c, n, (uint32_t)big), -EBADMSG);		/* says more than is allowed */
	n = ZSTD_compress(c, 1000, zeros, 1000, 1);
	ok_int(bomb(c, n, 1000), 0);
	ok_int(bomb(c, n, 999), -EBADMSG);
	ok_int(bomb(c, n, 1001), -EBADMSG);
	ok_int(bomb(c, n - 1, 1000), -EBADMSG);
	memcpy(two, c, n);
	memcpy(two + n, c, n);
	ok_int(bomb(two, 2 * n, 1000), -EBADMSG);		/* a second zstd frame behind */
	ok_int(bomb("not zstd at all", 15, 1000), -EBADMSG);
	ok_int(bomb("", 0, 0), -EBADMSG);
	free(zeros);
	free(c);
}

static void crc(void)
{
	uint8_t bytes[300];
	uint32_t whole;

	ok_int(crc32c(0, "123456789", 9), 0xe3069283);		/* the check value of CRC-32C */
	ok_int(crc32c_portable(0, "123456789", 9), 0xe3069283);
	random_bytes(bytes, sizeof(bytes));
	whole = crc32c(0, bytes, sizeof(bytes));
	for (size_t i = 0; i <= sizeof(bytes); i++) {
		ok(crc32c(crc32c(0, bytes, i), bytes + i, sizeof(bytes) - i) == whole);
		ok(crc32c_portable(0, bytes, i) == crc32c(0, bytes, i));
	}
}

/* With a checksum of its own it is whole, but not what was signed. */
static void another_payload(void)
{
	struct buf out = { 0 };
	struct frame_header h;
	uint8_t hash[32];
	const char *why;
	uint32_t c;

	make(&out, hash);
	out.p[out.n - 1] ^= 1;
	ok_int(frame_intact(out.p, out.n, &h, &why), -EBADMSG);
	c = crc32c(crc32c(0, out.p, 240), out.p + 244, out.n - 244);
	memcpy(out.p + 240, &c, 4);
	ok(!frame_intact(out.p, out.n, &h, &why) && !why);
	ok_int(frame_check(out.p, out.n, &h, &why), -EBADMSG);
	ok(strstr(why, "payload"));
	buf_free(&out);
}

/* Long enough for the lanes of the CPU's instruction, at every alignment. */
static void crc_of_much(void)
{
	uint8_t bytes[8 * 1024];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < 8; i++)
		for (size_t n = 3 * 1024 - 9; n < sizeof(bytes) - i; n += 333)
			ok(crc32c_portable(~(uint32_t)n, bytes + i, n) == crc32c(~(uint32_t)n, bytes + i, n));
}

static void *in_thread(void *arg)
{
	struct buf out = { 0 };
	uint8_t hash[32];

	make(&out, hash);
	memcpy(arg, hash, 32);
	buf_free(&out);
	return NULL;
}

/* Contexts belong to threads and go with them (a leak would be seen by SAN=1). */
static void threads(void)
{
	uint8_t a[32], b[32] = { 0 };
	pthread_t t;

	must(!pthread_create(&t, NULL, in_thread, a) && !pthread_join(t, NULL));
	in_thread(b);
	ok(!memcmp(a, b, 32));
}

static void chains(void)
{
	ok(chain_of_class(0) == CHAIN_CONTROL && chain_of_class(1) == CHAIN_CONTROL && chain_of_class(15) == CHAIN_CONTROL);
	ok(chain_of_class(2) == CHAIN_DATA && chain_of_class(3) == CHAIN_TLS);
	ok_str(chain_name(0), "control");
	ok_str(chain_name(2), "tls");
	ok(!chain_name(3));
}

static const struct tap_case cases[] = {
	CASE(round_trip), CASE(layout), CASE(every_bit_and_every_cut), CASE(limits), CASE(most_ranges),
	CASE(failures_leave_out_unchanged), CASE(bombs), CASE(crc), CASE(crc_of_much), CASE(another_payload), CASE(threads), CASE(chains),
};
TAP_MAIN(cases)
