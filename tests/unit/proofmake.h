/* SPDX-License-Identifier: Apache-2.0 */
/* proofmake.h - a sound proof of one record: a chain of five frames, their key, its certificate, the CA in ca.crt of a directory. */
#ifndef TESTS_PROOFMAKE_H
#define TESTS_PROOFMAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fsx.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/pki.h"
#include "proto/record.h"
#include "proto/recordread.h"
#include "tools/proof.h"

#define PROOF_HOST "4c1f0000-0000-4000-8000-000000000001"
#define PROOF_FRAMES 5
#define PROOF_AT 2		/* the frame that holds the record */

struct proof_make {
	char dir[64], ca[80];
	struct sign_key *key;
	uint8_t pub[32];
	struct buf frames[PROOF_FRAMES];
	uint8_t hashes[PROOF_FRAMES][32];
	struct buf certificate;
};

static const struct shape_field proof_fields[] = { { SECTION_REQUEST, "path", FIELD_STRING, "Linux::File" } };
static const struct shape proof_shape = { "file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, 1, proof_fields };

static inline int proof_batch(struct batch *b, unsigned number, const char *host_id)
{
	const struct record_host host = { .host_id = host_id, .machine_id = "m", .boot_id = "00000000-0000-4000-8000-000000000000",
		.hostname = "h", .kernel_release = "6.1.0", .agent_version = "test", .region = "local", .account = "000000000000" };
	struct record_identity id = { .tid = 100, .tid_start = 5, .type = IDENTITY_ROOT, .user_name = { "root", 4 } };
	int64_t identity;
	int r = batch_reset(b, &host);

	identity = batch_identity(b, 1, &id);
	for (unsigned i = 0; !r && i < 3; i++) {
		const struct record_head head = { .ring_class = 2, .seq = number * 3 + i, .time = 1000000000ull * (number + 1) + i,
						  .identity = (uint32_t)identity, .request = i };
		char path[64];
		int n = snprintf(path, sizeof(path), "/srv/caf\xe9/%u", number * 3 + i);	/* a byte that JSON cannot have */

		r = batch_begin(b, &proof_shape, &head);
		batch_string(b, 0, path, (size_t)n);
		if (!r)
			r = batch_end(b);
	}
	return r;
}

/* The frame of this number, behind the one of that hash. */
static inline int proof_frame(struct sign_key *key, unsigned number, const uint8_t previous[32], const char *host_id, struct buf *out,
			      uint8_t ret_hash[32])
{
	struct frame_header h = { .chain = CHAIN_DATA, .number = number, .records = 3, .stream = { 7 }, .nranges = 1,
		.wall_offset = 1795342321000000000, .ranges = { { 2, 0, number * 3, number * 3 + 2 } } };
	struct batch *b = NULL;
	const uint8_t *raw;
	size_t n;
	int r = batch_new(&b);

	if (!r)
		r = proof_batch(b, number, host_id);
	if (!r)
		r = batch_finish(b, &raw, &n);
	if (!r) {
		h.first_time = batch_first_time(b);
		h.last_time = batch_last_time(b);
		memcpy(h.previous, previous, 32);
		r = frame_build(&h, raw, n, sign_key_sign, key, out, ret_hash);
	}
	batch_free(&b);
	return r;
}

static inline int proof_certificate(struct proof_make *m, const struct pki_binding *b)
{
	char cert[80], key[80], ca_key[80], command[400];
	struct pki_files ca = { m->ca, ca_key }, host = { cert, key };
	int r;

	snprintf(cert, sizeof(cert), "%s/h.crt", m->dir);
	snprintf(key, sizeof(key), "%s/h.key", m->dir);
	snprintf(ca_key, sizeof(ca_key), "%s/ca.key", m->dir);
	r = access(m->ca, F_OK) ? pki_make_ca(&ca, NULL) : 0;
	if (!r)
		r = pki_make_host(&ca, b, &host, NULL);
	snprintf(command, sizeof(command), "openssl x509 -in %s -outform DER -out %s/h.der", cert, m->dir);
	if (!r && system(command))
		r = -1;
	snprintf(command, sizeof(command), "%s/h.der", m->dir);
	buf_reset(&m->certificate);
	return r < 0 ? r : fsx_read(command, 65536, &m->certificate);
}

static inline int proof_make_begin(struct proof_make *m)
{
	static const uint8_t none[32];
	struct pki_binding b = { .host_id = PROOF_HOST, .account = "000000000000", .region = "local" };
	char path[80];
	int r;

	memset(m, 0, sizeof(*m));
	snprintf(m->dir, sizeof(m->dir), "/tmp/ht-proof-XXXXXX");
	if (!mkdtemp(m->dir))
		return -1;
	snprintf(m->ca, sizeof(m->ca), "%s/ca.crt", m->dir);
	snprintf(path, sizeof(path), "%s/sign", m->dir);
	r = sign_key_make(path);
	if (!r)
		r = sign_key_load(path, &m->key);
	if (r < 0)
		return r;
	sign_key_public(m->key, m->pub);
	memcpy(b.key, m->pub, 32);
	for (unsigned i = 0; !r && i < PROOF_FRAMES; i++)
		r = proof_frame(m->key, i, i ? m->hashes[i - 1] : none, PROOF_HOST, &m->frames[i], m->hashes[i]);
	return r < 0 ? r : proof_certificate(m, &b);
}

static inline void proof_make_end(struct proof_make *m)
{
	static const char *const names[] = { "ca.crt", "ca.key", "h.crt", "h.key", "h.der", "sign", "pub" };
	char path[80];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", m->dir, names[i]);
		unlink(path);
	}
	rmdir(m->dir);
	for (unsigned i = 0; i < PROOF_FRAMES; i++)
		buf_free(&m->frames[i]);
	buf_free(&m->certificate);
	sign_key_free(&m->key);
}

static inline size_t proof_header_len(const struct buf *frame)
{
	return (size_t)(frame->p[4] | frame->p[5] << 8) - 4;
}

/* The proof of the second record of frame PROOF_AT. */
static inline int proof_of(const struct proof_make *m, struct proof *ret_p)
{
	struct proof p = { .host_id = PROOF_HOST };
	const struct buf *f = &m->frames[PROOF_AT];
	uint8_t id[16], stream[16] = { 7 };
	int r;

	event_id_make(stream, 2, 0, PROOF_AT * 3 + 1, id);
	uuid_text(id, p.event_id);
	memcpy(p.key, m->pub, 32);
	r = buf_add(&p.frame, f->p, f->n);
	if (!r)
		r = buf_add(&p.before, m->frames[PROOF_AT - 1].p, proof_header_len(&m->frames[PROOF_AT - 1]));
	if (!r)
		r = buf_add(&p.certificate, m->certificate.p, m->certificate.n);
	for (unsigned i = PROOF_AT + 1; !r && i < PROOF_FRAMES; i++)
		r = proof_add_after(&p, m->frames[i].p, proof_header_len(&m->frames[i]));
	if (!r)
		r = proof_render(&p, &p.record);
	*ret_p = p;
	return r;
}

#endif
