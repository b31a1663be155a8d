/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/fsx.h"

#define STEP (1u << 20)		/* memory is taken as bytes come, not as they are promised */

struct wire_header {
	uint32_t type, n;
};

/* ---- bodies */

struct wire wire_of(const struct buf *b)
{
	return (struct wire){ .p = b->p, .n = b->n };
}

static const uint8_t *take(struct wire *w, size_t n)
{
	const uint8_t *p = w->p;

	w->bad |= n > w->n;
	if (w->bad)
		return NULL;
	w->p += n;
	w->n -= n;
	return p;
}

static void take_number(struct wire *w, void *ret_v, size_t n)
{
	const uint8_t *p = take(w, n);

	if (p)
		memcpy(ret_v, p, n);
}

uint32_t wire_u32(struct wire *w)
{
	uint32_t v = 0;

	take_number(w, &v, sizeof(v));
	return v;
}

uint64_t wire_u64(struct wire *w)
{
	uint64_t v = 0;

	take_number(w, &v, sizeof(v));
	return v;
}

struct str wire_str(struct wire *w)
{
	uint32_t n = wire_u32(w);
	const uint8_t *p = take(w, n);

	return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

struct str wire_value(struct wire *w)
{
	uint32_t n = wire_u32(w);
	const uint8_t *p;

	if (n == WIRE_NULL)
		return (struct str){ NULL, 0 };
	p = take(w, n);
	return p ? (struct str){ (const char *)p, n } : (struct str){ "", 0 };
}

void wire_add_u32(struct buf *b, uint32_t v)
{
	buf_add(b, &v, sizeof(v));
}

void wire_add_u64(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

void wire_add_str(struct buf *b, const void *p, size_t n)
{
	wire_add_u32(b, (uint32_t)n);
	buf_add(b, p, n);
}

/* ---- messages */

static int read_all(int fd, void *p, size_t n)
{
	ssize_t got;

	for (uint8_t *at = p; n; at += got, n -= (size_t)got) {
		got = read(fd, at, n);
		if (!got || (got < 0 && errno != EINTR))
			return -EPIPE;
		got = got < 0 ? 0 : got;
	}
	return 0;
}

int wire_send(int fd, enum wire_type type, const struct buf *body)
{
	const struct wire_header h = { type, body ? (uint32_t)body->n : 0 };
	int r;

	if (body && body->failed)
		return -ENOMEM;
	if (body && body->n > UINT32_MAX)
		return -EMSGSIZE;
	r = fsx_write_all(fd, &h, sizeof(h));
	return r || !h.n ? r : fsx_write_all(fd, body->p, body->n);
}

int wire_receive(int fd, size_t max, enum wire_type *ret_type, struct buf *body)
{
	struct wire_header h;
	int r = read_all(fd, &h, sizeof(h));

	buf_reset(body);
	if (!r && max && h.n > max)
		r = -EMSGSIZE;
	while (!r && body->n < h.n) {
		size_t n = h.n - body->n < STEP ? h.n - body->n : STEP;

		r = buf_reserve(body, n);
		if (!r)
			r = read_all(fd, body->p + body->n, n);
		if (!r)
			body->n += n;
	}
	if (!r)
		*ret_type = h.type;
	return r;
}

/* ---- what a process sends */

/* Fits, and holds no NUL. */
static bool is_text(struct str s, size_t room)
{
	return s.n < room && !memchr(s.p, '\0', s.n);
}

int wire_tables(const struct buf *body, struct sandbox_tables *ret_t)
{
	struct sandbox_tables t = { .n = 0 };
	struct wire w = wire_of(body);
	uint32_t n = wire_u32(&w);

	if (n > SANDBOX_TABLES_MAX)
		return -EBADMSG;
	while (!w.bad && t.n < n) {
		struct str s = wire_str(&w);

		if (!sandbox_is_store(s.p, s.n))
			return -EBADMSG;
		memcpy(t.v[t.n], s.p, s.n);
		t.v[t.n++][s.n] = '\0';
	}
	t.times.from = (int64_t)wire_u64(&w);
	t.times.to = (int64_t)wire_u64(&w);
	if (w.bad || w.n)
		return -EBADMSG;
	*ret_t = t;
	return 0;
}

static int text(struct str s, char why[DUCK_WHY_MAX])
{
	if (!is_text(s, DUCK_WHY_MAX))
		return -EBADMSG;
	snprintf(why, DUCK_WHY_MAX, "%.*s", (int)s.n, s.p);
	return 0;
}

int wire_refused(const struct buf *body, bool *ret_ours, char why[DUCK_WHY_MAX])
{
	struct wire w = wire_of(body);
	bool ours = wire_u32(&w) != 0;
	struct str s = wire_str(&w);
	int r = w.bad || w.n ? -EBADMSG : text(s, why);

	if (!r)
		*ret_ours = ours;
	return r;
}

void wire_text(const struct buf *body, char why[DUCK_WHY_MAX])
{
	struct wire w = wire_of(body);
	struct str s = wire_str(&w);

	if (w.bad || w.n || text(s, why) < 0)
		snprintf(why, DUCK_WHY_MAX, "The store could not run the query.");
}

int wire_ask(const struct buf *body, struct wire_ask *ret_a)
{
	struct wire w = wire_of(body);
	struct wire_ask a = { .table = wire_u32(&w) };

	a.frame = wire_u64(&w);
	a.text = wire_u32(&w) != 0;
	if (w.bad || w.n)
		return -EBADMSG;
	*ret_a = a;
	return 0;
}

int wire_columns(const struct buf *body, struct buf *ret, unsigned *ret_n)
{
	struct wire w = wire_of(body);
	uint32_t n = wire_u32(&w);

	if (!n || n > WIRE_COLUMNS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < n && !w.bad; i++) {
		struct str s = wire_str(&w);

		if (!is_text(s, SIZE_MAX))
			return -EBADMSG;
		buf_add(ret, s.p, s.n);
		buf_addc(ret, '\0');
	}
	if (w.bad || w.n)
		return -EBADMSG;
	*ret_n = n;
	return ret->failed ? -ENOMEM : 0;
}
