/* SPDX-License-Identifier: Apache-2.0 */
/* evidence: what a set of frames proves, and each way in which it does not. */
#include <unistd.h>

#include "proto/frame.h"
#include "proto/keys.h"
#include "tests/tap.h"
#include "tools/evidence.h"

#define HOST "4c1f0000-0000-4000-8000-000000000001"

struct fixture {
	struct evidence *e;
	struct sign_key *key, *other;
	uint8_t pub[32], other_pub[32];
	struct buf frames[8];		/* number i, each following from the one before */
	uint8_t hashes[8][32];
	unsigned chains;
	uint64_t frames_told;
	char faults[2048];
};

static void on_fault(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	snprintf(f->faults + strlen(f->faults), sizeof(f->faults) - strlen(f->faults), "%s\n", text);
}

static void on_chain(void *ctx, const struct evidence_chain *c)
{
	struct fixture *f = ctx;

	f->chains++;
	f->frames_told += c->frames;
}

static struct sign_key *make_key(uint8_t ret_pub[32])
{
	char path[] = "/tmp/ht-evidence-XXXXXX";
	struct sign_key *k = NULL;

	close(mkstemp(path));
	unlink(path);
	if (sign_key_make(path) == 0 && sign_key_load(path, &k) == 0)
		sign_key_public(k, ret_pub);
	unlink(path);
	return k;
}

/* A frame of `number` with this text as its payload. */
static void build(struct sign_key *key, uint64_t number, const uint8_t previous[32], const char *text, struct buf *out,
		  uint8_t ret_hash[32])
{
	struct frame_header h = { .chain = CHAIN_DATA, .number = number, .records = 3, .stream = { 7 }, .nranges = 1,
		.ranges = { { 2, 0, number * 3, number * 3 + 2 } } };

	memcpy(h.previous, previous, 32);
	ok_int(frame_build(&h, text, strlen(text), sign_key_sign, key, out, ret_hash), 0);
}

static void setup(struct fixture *f, bool whole)
{
	static const uint8_t none[32];

	memset(f, 0, sizeof(*f));
	f->key = make_key(f->pub);
	f->other = make_key(f->other_pub);
	must(f->key && f->other);
	for (unsigned i = 0; i < 8; i++)
		build(f->key, i, i ? f->hashes[i - 1] : none, "payload", &f->frames[i], f->hashes[i]);
	must(evidence_new(whole, on_fault, f, &f->e) == 0);
}

static void add(struct fixture *f, unsigned i)
{
	ok(evidence_add(f->e, HOST, f->pub, f->frames[i].p, f->frames[i].n) >= 0);
}

/* want: text of the only fault, NULL: none. */
static void finish(struct fixture *f, const char *want)
{
	uint64_t frames, records, faults;

	evidence_finish(f->e, on_chain);
	evidence_totals(f->e, &frames, &records, &faults);
	ok_int(faults, want ? 1 : 0);
	if (want)
		ok(strstr(f->faults, want) != NULL);
	if ((want && !strstr(f->faults, want)) || (!want && *f->faults))
		printf("# faults: %s\n", f->faults);
	evidence_free(&f->e);
	sign_key_free(&f->key);
	sign_key_free(&f->other);
	for (unsigned i = 0; i < 8; i++)
		buf_free(&f->frames[i]);
}

static void whole_chain(void)
{
	struct fixture f;

	setup(&f, true);
	for (unsigned i = 0; i < 8; i++)
		add(&f, i);
	finish(&f, NULL);
	ok_int(f.chains, 1);
	ok_int(f.frames_told, 8);
}

static void any_order_and_repeats(void)
{
	static const unsigned order[] = { 3, 1, 0, 2, 2, 5, 4, 0, 7, 6 };
	struct fixture f;

	setup(&f, true);
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		add(&f, order[i]);
	finish(&f, NULL);
}

static void missing_in_the_middle(void)
{
	struct fixture f;

	setup(&f, true);
	add(&f, 0);
	add(&f, 3);
	finish(&f, "frames 1 to 2 before it are missing");
}

/* Only the sender can tell that a chain's end was taken away. */
static void missing_at_the_end(void)
{
	struct frame_header h;
	struct fixture f;
	const char *why;

	setup(&f, true);
	for (unsigned i = 0; i < 6; i++)
		add(&f, i);
	must(!frame_check(f.frames[0].p, f.frames[0].n, &h, &why));
	ok_int(evidence_acknowledged(f.e, HOST, h.stream, h.chain, 8), 0);
	finish(&f, "frames 6 to 7 were acknowledged by the store, and are not there");
	setup(&f, true);
	ok_int(evidence_acknowledged(f.e, HOST, h.stream, h.chain, 3), 0);
	finish(&f, "frames 0 to 2 were acknowledged by the store, and are not there");
	setup(&f, true);
	for (unsigned i = 0; i < 8; i++)
		add(&f, i);
	ok_int(evidence_acknowledged(f.e, HOST, h.stream, h.chain, 8), 0);
	finish(&f, NULL);
}

static void missing_at_the_beginning(void)
{
	struct fixture f;

	setup(&f, true);
	add(&f, 2);
	add(&f, 3);
	finish(&f, "frames 0 to 1 before it are missing");
	setup(&f, false);	/* a part was asked for: no fault */
	add(&f, 2);
	add(&f, 3);
	finish(&f, NULL);
}

static void one_bit_of_the_payload(void)
{
	struct fixture f;

	setup(&f, false);
	f.frames[0].p[f.frames[0].n - 1] ^= 1;
	add(&f, 0);
	finish(&f, "is not whole");
}

static void signed_by_another(void)
{
	static const uint8_t none[32];
	struct fixture f;

	setup(&f, true);
	buf_reset(&f.frames[0]);
	build(f.other, 0, none, "payload", &f.frames[0], f.hashes[0]);
	add(&f, 0);
	finish(&f, "its signature is not of the host's key");
}

static void store_names_another_key(void)
{
	struct fixture f;
	uint64_t frames, records, faults;

	setup(&f, true);
	ok_int(evidence_trust(f.e, HOST, f.other_pub), 0);
	add(&f, 0);
	evidence_totals(f.e, &frames, &records, &faults);
	ok_int(faults, 2);	/* another key, and so the signature does not fit */
	ok_int(records, 0);
	ok(strstr(f.faults, "the store names another key") != NULL);
	evidence_finish(f.e, on_chain);
	evidence_free(&f.e);
	sign_key_free(&f.key);
	sign_key_free(&f.other);
	for (unsigned i = 0; i < 8; i++)
		buf_free(&f.frames[i]);
}

static void replaced_frame(void)
{
	struct fixture f;

	setup(&f, true);	/* frame 1 is exchanged for another one that the same key signed */
	buf_reset(&f.frames[1]);
	build(f.key, 1, f.hashes[0], "rewritten", &f.frames[1], f.hashes[1]);
	for (unsigned i = 0; i < 4; i++)
		add(&f, i);
	finish(&f, "frame 2: it does not follow from the frame before it");
}

static void fork_of_a_chain(void)
{
	struct buf fork = { 0 };
	struct fixture f;
	uint8_t hash[32];

	setup(&f, true);
	build(f.key, 2, f.hashes[1], "other", &fork, hash);
	for (unsigned i = 0; i < 4; i++)
		add(&f, i);
	ok_int(evidence_add(f.e, HOST, f.pub, fork.p, fork.n), 1);
	buf_free(&fork);
	finish(&f, "frame 2: there are different frames of this number");
}

static void first_frame_with_a_predecessor(void)
{
	struct fixture f;

	setup(&f, true);
	buf_reset(&f.frames[0]);
	build(f.key, 0, f.hashes[3], "payload", &f.frames[0], f.hashes[0]);
	add(&f, 0);
	finish(&f, "the first frame claims a predecessor");
}

static void not_a_frame(void)
{
	struct fixture f;

	setup(&f, true);
	ok_int(evidence_add(f.e, HOST, f.pub, "HTF1", 4), 0);
	finish(&f, "is not whole");
}

static void removed(struct fixture *f, unsigned number, unsigned hash)
{
	static const uint8_t stream[16] = { 7 };

	ok_int(evidence_removed(f->e, HOST, stream, CHAIN_DATA, number, f->hashes[hash]), 0);
}

static void removed_at_the_beginning(void)
{
	struct fixture f;

	setup(&f, true);
	for (unsigned i = 3; i < 8; i++)
		add(&f, i);
	removed(&f, 2, 2);
	removed(&f, 1, 1);	/* an older note */
	finish(&f, NULL);
	ok_int(f.frames_told, 5);

	setup(&f, true);
	for (unsigned i = 3; i < 8; i++)
		add(&f, i);
	removed(&f, 2, 1);
	finish(&f, "does not follow from the frame before it, which was removed");

	setup(&f, true);
	for (unsigned i = 4; i < 8; i++)
		add(&f, i);
	removed(&f, 2, 2);
	finish(&f, "frames 3 to 3 before it are missing");
}

/* Frames that came late, behind the segment that was removed; and a chain that is removed to its end. */
static void removed_around_what_came_late(void)
{
	static const uint8_t stream[16] = { 7 };
	struct fixture f;

	setup(&f, true);
	add(&f, 1);
	for (unsigned i = 5; i < 8; i++)
		add(&f, i);
	removed(&f, 4, 4);
	finish(&f, NULL);

	setup(&f, true);
	removed(&f, 7, 7);
	ok_int(evidence_acknowledged(f.e, HOST, stream, CHAIN_DATA, 8), 0);
	finish(&f, NULL);

	setup(&f, true);
	removed(&f, 6, 6);
	ok_int(evidence_acknowledged(f.e, HOST, stream, CHAIN_DATA, 8), 0);
	finish(&f, "frames 7 to 7 were acknowledged");
}

static const struct tap_case cases[] = {
	CASE(whole_chain), CASE(any_order_and_repeats), CASE(missing_in_the_middle), CASE(missing_at_the_end), CASE(missing_at_the_beginning),
	CASE(one_bit_of_the_payload), CASE(signed_by_another), CASE(store_names_another_key), CASE(replaced_frame),
	CASE(fork_of_a_chain), CASE(first_frame_with_a_predecessor), CASE(not_a_frame),
	CASE(removed_at_the_beginning), CASE(removed_around_what_came_late),
};
TAP_MAIN(cases)
