/* SPDX-License-Identifier: Apache-2.0 */
/* proof: a sound one is valid to who trusts the key or the CA; with any byte of it changed it is valid to nobody. */
#include <errno.h>
#include <stdbool.h>

#include "tests/sizes.h"
#include "tests/tap.h"
#include "tests/unit/proofmake.h"

static struct proof_make m;
static char faults[4096];

static void on_fault(void *ctx, const char *text)
{
	snprintf(faults + strlen(faults), sizeof(faults) - strlen(faults), "%s\n", text);
}

/* The verdict, -1: none. */
static int judge(const struct proof *p, bool key, bool ca, struct proof_view *ret_v)
{
	struct proof_trust t = { .has_key = key, .ca = ca ? m.ca : NULL };
	struct proof_view v;
	enum proof_verdict verdict;

	memcpy(t.key, m.pub, 32);
	*faults = '\0';
	if (proof_check(p, &t, on_fault, NULL, ret_v ? ret_v : &v, &verdict) < 0)
		return -1;
	return (int)verdict;
}

static void sound(void)
{
	struct proof p = { 0 };
	struct proof_view v;

	must(proof_of(&m, &p) == 0);
	ok_int(judge(&p, true, false, &v), PROOF_VALID);
	ok_int(v.record, 1);
	ok_int((long long)v.frame.number, PROOF_AT);
	ok_int((long long)v.last, PROOF_FRAMES - 1);
	ok(v.by_key && !v.by_ca);
	ok_str(v.account, "000000000000");
	ok_int(judge(&p, false, true, &v), PROOF_VALID);
	ok(!v.by_key && v.by_ca && v.cert_from > 0 && v.cert_to > v.cert_from);
	ok_int(judge(&p, false, false, &v), PROOF_UNVOUCHED);
	ok_str(faults, "");
	ok(strstr(buf_text(&p.record), "caf\xef\xbf\xbd" "e9/7") != NULL);
	proof_free(&p);
}

static void written_and_read(void)
{
	_cleanup_buf_ struct buf text = { 0 }, again = { 0 };
	struct proof p = { 0 }, q = { 0 };
	const char *why;

	must(proof_of(&m, &p) == 0 && proof_write(&p, &text) == 0);
	ok_int(proof_read(text.p, text.n, &q, &why), 0);
	ok_int(judge(&q, true, true, NULL), PROOF_VALID);
	ok(proof_write(&q, &again) == 0 && again.n == text.n && !memcmp(again.p, text.p, text.n));
	proof_free(&q);
	/* without what need not be there */
	buf_free(&p.certificate);
	buf_free(&p.before);
	while (p.nafter)
		buf_free(&p.after[--p.nafter]);
	buf_reset(&text);
	must(proof_write(&p, &text) == 0);
	ok_int(proof_read(text.p, text.n, &q, &why), 0);
	ok_int(judge(&q, true, false, NULL), PROOF_VALID);
	ok_int(judge(&q, false, true, NULL), PROOF_UNVOUCHED);
	proof_free(&q);
	proof_free(&p);
}

/* Bytes of the file, one bit or another flipped. */
static void any_byte_of_the_file(void)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct proof p = { 0 };
	unsigned valid = 0, read = 0, step = size("proof.bytes");

	must(proof_of(&m, &p) == 0 && proof_write(&p, &text) == 0);
	proof_free(&p);
	for (size_t i = 0; i < text.n; i += step) {
		const char *why;

		text.p[i] ^= (uint8_t)(1u << i % 8);
		if (proof_read(text.p, text.n, &p, &why) == 0) {
			read++;
			if (judge(&p, true, p.certificate.n != m.certificate.n || memcmp(p.certificate.p, m.certificate.p, p.certificate.n), NULL) == PROOF_VALID) {
				valid++;
				printf("# byte %zu\n", i);
			}
			proof_free(&p);
		}
		text.p[i] ^= (uint8_t)(1u << i % 8);
	}
	ok_int(valid, 0);
	ok(read > text.n / step / 4);	/* the others were not even read */
	for (size_t cut = 0; cut < text.n; cut += 97) {
		const char *why;

		ok(proof_read(text.p, cut, &p, &why) < 0);
	}
}

/* Of each part by itself, as bytes, each with every bit: what a file's spelling might hide. */
static void any_bit_of_a_part(void)
{
	struct proof p = { 0 };
	struct buf *parts[5];

	must(proof_of(&m, &p) == 0);
	parts[0] = &p.frame;
	parts[1] = &p.before;
	parts[2] = &p.after[0];
	parts[3] = &p.certificate;
	parts[4] = &p.record;
	for (unsigned k = 0; k < 5; k++)
		for (size_t bit = k; bit < parts[k]->n * 8; bit += size("proof.bits")) {
			parts[k]->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (judge(&p, true, k == 3, NULL) != PROOF_INVALID) {
				printf("# part %u bit %zu: %s\n", k, bit, faults);
				ok(false);
			}
			parts[k]->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	for (unsigned bit = 0; bit < 256; bit++) {
		p.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ok_int(judge(&p, false, true, NULL), PROOF_INVALID);
		ok_int(judge(&p, true, false, NULL), PROOF_INVALID);
		p.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	proof_free(&p);
}

static void told(struct proof *p, bool key, bool ca, const char *want)
{
	ok_int(judge(p, key, ca, NULL), PROOF_INVALID);
	if (!strstr(faults, want)) {
		printf("# want \"%s\": %s\n", want, faults);
		ok(false);
	}
}

/* What somebody with a key of his own could make: whole, and signed, but not by the host. */
static void another_key(void)
{
	struct proof p = { 0 };
	struct sign_key *key = NULL;
	struct buf frame = { 0 };
	uint8_t hash[32];
	char path[80];

	snprintf(path, sizeof(path), "%s/pub", m.dir);
	must(proof_of(&m, &p) == 0 && sign_key_make(path) == 0 && sign_key_load(path, &key) == 0);
	unlink(path);
	must(proof_frame(key, PROOF_AT, m.hashes[PROOF_AT - 1], PROOF_HOST, &frame, hash) == 0);
	buf_free(&p.frame);
	p.frame = frame;
	told(&p, true, false, "the frame's signature is not of the host's key");
	sign_key_public(key, p.key);
	told(&p, true, false, "signed by another key than the one that is trusted");
	told(&p, false, true, "the certificate binds another host or key");
	told(&p, false, false, "signature of the frame before it");
	sign_key_free(&key);
	proof_free(&p);
}

static void another_host(void)
{
	struct pki_binding b = { .host_id = "4c1f0000-0000-4000-8000-000000000002", .account = "000000000000", .region = "local" };
	struct proof p = { 0 };

	must(proof_of(&m, &p) == 0);
	strcpy(p.host_id, b.host_id);
	told(&p, true, false, "records are of another host");
	strcpy(p.host_id, PROOF_HOST);
	memcpy(b.key, m.pub, 32);
	must(proof_certificate(&m, &b) == 0);
	buf_reset(&p.certificate);
	buf_add(&p.certificate, m.certificate.p, m.certificate.n);
	told(&p, false, true, "the certificate binds another host");
	strcpy(b.host_id, PROOF_HOST);
	strcpy(b.account, "111111111111");
	must(proof_certificate(&m, &b) == 0);
	buf_reset(&p.certificate);
	buf_add(&p.certificate, m.certificate.p, m.certificate.n);
	told(&p, false, true, "claims another account or region");
	strcpy(b.account, "000000000000");
	must(proof_certificate(&m, &b) == 0);
	proof_free(&p);
}

static void odd_chains(void)
{
	struct proof p = { 0 };
	struct buf swap;

	must(proof_of(&m, &p) == 0);
	swap = p.after[0];
	p.after[0] = p.after[1];
	p.after[1] = swap;
	told(&p, true, false, "frame 3 behind it does not follow");
	buf_free(&p.after[1]);
	p.nafter = 1;		/* frame 4 alone: a gap */
	told(&p, true, false, "frame 3 behind it does not follow");
	buf_free(&p.after[0]);
	p.nafter = 0;
	ok_int(judge(&p, true, false, NULL), PROOF_VALID);
	buf_reset(&p.before);
	buf_add(&p.before, m.frames[0].p, proof_header_len(&m.frames[0]));
	told(&p, true, false, "does not follow from the one before it");
	buf_reset(&p.before);
	p.event_id[35] = p.event_id[35] == '0' ? '1' : '0';
	told(&p, true, false, "no record of this eventID");
	strcpy(p.event_id, "x");
	told(&p, true, false, "no record of this eventID");
	buf_reset(&p.frame);
	told(&p, true, false, "the frame is not whole");
	proof_free(&p);
}

static void another_ca(void)
{
	char ca[80], kept[80], key[80], kept_key[80];
	struct proof p = { 0 };

	snprintf(ca, sizeof(ca), "%s", m.ca);
	snprintf(key, sizeof(key), "%s/ca.key", m.dir);
	snprintf(kept, sizeof(kept), "%s/h.crt", m.dir);
	snprintf(kept_key, sizeof(kept_key), "%s/h.key", m.dir);
	must(proof_of(&m, &p) == 0 && rename(ca, kept) == 0 && rename(key, kept_key) == 0);
	must(pki_make_ca(&(struct pki_files){ ca, key }, NULL) == 0);
	told(&p, false, true, "it is not of this CA");
	ok_int(judge(&p, true, false, NULL), PROOF_VALID);
	unlink(ca);
	ok_int(judge(&p, false, true, NULL), -1);
	must(rename(kept, ca) == 0 && rename(kept_key, key) == 0);
	ok_int(judge(&p, false, true, NULL), PROOF_VALID);
	proof_free(&p);
}

static void public_keys(void)
{
	char path[80], command[400];
	uint8_t pub[32] = { 0 };
	FILE *f;

	snprintf(path, sizeof(path), "%s/pub", m.dir);
	snprintf(command, sizeof(command), "openssl pkey -in %s/sign -pubout -out %s", m.dir, path);
	must(system(command) == 0);
	ok_int(sign_public_load(path, pub), 0);
	ok(!memcmp(pub, m.pub, 32));
	f = fopen(path, "w");
	for (unsigned i = 0; i < 32; i++)
		fprintf(f, "%02x", m.pub[i]);
	fprintf(f, "\n");
	fclose(f);
	memset(pub, 0, 32);
	ok_int(sign_public_load(path, pub), 0);
	ok(!memcmp(pub, m.pub, 32));
	ok_int(sign_public_load(m.ca, pub), -EBADMSG);
	unlink(path);
	ok_int(sign_public_load(path, pub), -ENOENT);
}

static void begin(void)
{
	ok_int(proof_make_begin(&m), 0);
}

static void end(void)
{
	proof_make_end(&m);
}

static const struct tap_case cases[] = {
	CASE(begin), CASE(sound), CASE(written_and_read), CASE(any_byte_of_the_file), CASE(any_bit_of_a_part), CASE(another_key),
	CASE(another_host), CASE(odd_chains), CASE(another_ca), CASE(public_keys), CASE(end),
};
TAP_MAIN(cases)
