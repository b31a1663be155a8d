/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool directory as damage may leave it: the input says which good frames, noise, cuts and flipped
 * bytes its segments are made of. The writer must recover, recover to the same thing once more, and
 * append; the reader must come to the end with the same frames.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/spoolgen.h"

#define FRAMES_MAX 64

static struct spool_limits limits = { .bytes = { 1 << 30, 1 << 30, 1 << 30 }, .segment_bytes = 1500 };

struct numbers {
	unsigned n, nbad;
	uint64_t v[4 * FRAMES_MAX];
};

static void on_found(void *ctx, const struct frame_header *h)
{
	struct numbers *f = ctx;

	if (f->n && h->number <= f->v[f->n - 1])
		abort();
	if (f->n < 4 * FRAMES_MAX)
		f->v[f->n++] = h->number;
}

static void on_bad(void *ctx, unsigned chain, const char *path, const char *why, uint64_t first, uint64_t last)
{
	((struct numbers *)ctx)->nbad++;
	if (!why || size_of(path) >= 0)
		abort();
}

static void recover(struct numbers *f, unsigned append)
{
	struct spool *s;

	memset(f, 0, sizeof(*f));
	if (spool_open(scratch, stream, &limits, on_found, on_bad, f, &s) < 0)
		abort();
	if (append && put_frames(s, CHAIN_DATA, append, 60) < 0)
		abort();
	spool_free(&s);
}

/* op: 0-3 a good frame, 4 noise, 5 a frame cut short, 6 a flipped byte, 7 a number left out, 8 a new segment, 9 a number again */
static void build(const uint8_t *data, size_t size)
{
	static const uint8_t zero[32];
	struct buf out = { 0 };
	struct frame_header h;
	uint8_t hash[32];
	uint64_t number = 0;
	char path[256] = "";

	for (size_t i = 0; i + 1 < size && number < FRAMES_MAX; i += 2) {
		unsigned op = data[i] % 10, arg = data[i + 1];

		if (op == 8 || !*path) {
			snprintf(path, sizeof(path), "%s", segment_path("data", number + (arg % 16 == 1), ".seg"));
			close(open(path, O_WRONLY | O_CREAT, 0640));
		}
		number += op == 7;
		number -= op == 9 && number;
		a_frame(&h, CHAIN_DATA, number, zero, arg, &out, hash);
		if (op == 4)
			append_bytes(path, data + i, size - i < arg ? size - i : arg);
		else if (op == 5)
			append_bytes(path, out.p, out.n * arg / 256);
		else if (op == 6 && size_of(path) > 0)
			damage(path, size_of(path) * arg / 256, 1);
		else
			append_bytes(path, out.p, out.n);
		number += op < 4 || op > 6;
	}
	buf_free(&out);
}

static void read_all(const struct numbers *want)
{
	struct spool_reader *r;
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	unsigned n = 0;
	size_t len;
	int k;

	if (spool_reader_open(scratch, stream, CHAIN_DATA, 0, &r) < 0)
		abort();
	while ((k = spool_reader_next(r, &p, &len, &h, &why)) != 0)
		if (k != 1 || n == want->n || h.number != want->v[n++])
			abort();
	if (n != want->n)
		abort();
	spool_reader_free(&r);
}

static void read_raw(void)
{
	struct spool_reader *r;
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	uint64_t last = 0;
	size_t len;
	int k;

	if (spool_reader_open(scratch, stream, CHAIN_DATA, 0, &r) < 0)
		abort();
	for (bool any = false; (k = spool_reader_next(r, &p, &len, &h, &why)) != 0;) {
		if (k == -EBADMSG)
			continue;
		if (k != 1 || (any && h.number <= last))
			abort();
		last = h.number;
		any = true;
	}
	spool_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct numbers a, b;

	snprintf(scratch, sizeof(scratch), "/dev/shm/fuzz_spool.%d", (int)getpid());
	scratch_remove();
	recover(&a, 0);		/* makes the directories */
	build(data, size);
	read_raw();
	recover(&a, 0);
	recover(&b, 3);
	if (b.nbad || a.n != b.n || memcmp(a.v, b.v, a.n * sizeof(a.v[0])))
		abort();
	recover(&b, 0);
	if (b.nbad || b.n != a.n + 3)
		abort();
	read_all(&b);
	scratch_remove();
	return 0;
}
