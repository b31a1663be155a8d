// SPDX-License-Identifier: Apache-2.0
#include "hello.h"

#include <string.h>

#include "lib/cleanup.h"

#define RECORD_HANDSHAKE 22
#define RECORD_MAX (16384 + 256)
#define MESSAGE_CLIENT 1
#define MESSAGE_SERVER 2
#define MESSAGE_HEAD 4
#define EXT_SERVER_NAME 0
#define EXT_ALPN 16
#define EXT_VERSIONS 43

/* ---- a range of bytes that is read from its front ------------------------------------------- */

struct cursor {
	const uint8_t *p;
	size_t n;
	bool cut;	/* more belongs to it than is there */
	bool bad;	/* more was wanted than belongs to it */
};

static void fail(struct cursor *c)
{
	if (!c->cut)
		c->bad = true;
	c->n = 0;
}

static unsigned number(struct cursor *c, unsigned bytes)
{
	unsigned v = 0;

	if (c->n < bytes) {
		fail(c);
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | c->p[i];
	c->p += bytes;
	c->n -= bytes;
	return v;
}

/* The next n bytes as a range of their own. In a cut one it may be shorter, and is cut then. */
static struct cursor part(struct cursor *c, size_t n)
{
	struct cursor s = { c->p, n, false, false };

	if (c->n < n) {
		s.n = c->n;
		s.cut = c->cut;
		s.bad = !c->cut;
		fail(c);
		return s;
	}
	c->p += n;
	c->n -= n;
	return s;
}

static bool is_grease(unsigned v)
{
	return (v & 0x0f0f) == 0x0a0a && (v >> 8) == (v & 0xff);
}

/* ---- extensions -------------------------------------------------------------------------------- */

/* Printable, for it goes into records; a name of whatever else is none. */
static bool add_text(char *to, size_t room, const struct cursor *s)
{
	size_t at = strlen(to);

	if (s->cut || s->bad || !s->n || at + !!at + s->n >= room)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->p[i] <= 0x20 || s->p[i] >= 0x7f)
			return false;
	if (at)
		to[at++] = ',';
	memcpy(to + at, s->p, s->n);
	to[at + s->n] = 0;
	return true;
}

static bool read_names(struct hello *h, struct cursor e)
{
	struct cursor list;

	if (h->kind != HELLO_CLIENT)
		return true;		/* a server's is empty */
	list = part(&e, number(&e, 2));
	while (list.n) {
		unsigned type = number(&list, 1);
		struct cursor name = part(&list, number(&list, 2));

		if (name.bad || list.bad)
			return false;
		if (!type && !h->server_name[0])
			add_text(h->server_name, sizeof(h->server_name), &name);
	}
	return !e.bad && !list.bad;
}

static bool read_alpn(struct hello *h, struct cursor e)
{
	struct cursor list = part(&e, number(&e, 2));

	while (list.n) {
		struct cursor name = part(&list, number(&list, 1));

		if (name.bad || list.bad)
			return false;
		if (name.n && !is_grease(name.n == 2 ? (unsigned)(name.p[0] << 8 | name.p[1]) : 0))
			add_text(h->alpn, sizeof(h->alpn), &name);
	}
	return !e.bad && !list.bad;
}

static bool read_versions(struct hello *h, struct cursor e)
{
	struct cursor list;

	if (h->kind == HELLO_SERVER) {
		unsigned v = number(&e, 2);

		if (!e.bad && v)
			h->version = (uint16_t)v;
		return !e.bad && !e.n;
	}
	list = part(&e, number(&e, 1));
	while (list.n >= 2) {
		unsigned v = number(&list, 2);

		if (is_grease(v))
			continue;
		if (h->nversions < HELLO_VERSIONS_MAX)
			h->versions[h->nversions++] = (uint16_t)v;
		if (v > h->version && v <= 0x0304)
			h->version = (uint16_t)v;
	}
	return !e.bad && !list.bad && (!list.n || list.cut);
}

static bool read_extensions(struct hello *h, struct cursor *m)
{
	struct cursor all;
	bool good = true;

	if (!m->n)
		return true;		/* none: allowed before TLS 1.3 */
	all = part(m, number(m, 2));
	while (all.n && good) {
		unsigned type = number(&all, 2);
		struct cursor e = part(&all, number(&all, 2));

		if (all.bad || e.bad)
			return false;
		if (all.cut && !e.n && !all.n)
			break;
		if (type == EXT_SERVER_NAME)
			good = read_names(h, e);
		else if (type == EXT_ALPN)
			good = read_alpn(h, e);
		else if (type == EXT_VERSIONS)
			good = read_versions(h, e);
	}
	return good && !all.bad && !m->bad;
}

/* ---- the two messages --------------------------------------------------------------------------- */

static bool is_retry(const struct cursor *random)
{
	static const uint8_t mark[32] = {	/* SHA-256 of "HelloRetryRequest" */
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
		0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
	};

	return random->n == sizeof(mark) && !memcmp(random->p, mark, sizeof(mark));
}

static bool read_client(struct hello *h, struct cursor *m)
{
	unsigned legacy = number(m, 2);

	part(m, 32);
	part(m, number(m, 1));		/* session id */
	part(m, number(m, 2));		/* cipher suites */
	part(m, number(m, 1));		/* compression */
	if (m->bad || legacy >> 8 != 3 || !read_extensions(h, m))
		return false;
	if (!h->nversions && !m->cut)
		h->version = (uint16_t)legacy;
	return true;
}

static bool read_server(struct hello *h, struct cursor *m)
{
	unsigned legacy = number(m, 2);
	struct cursor random = part(m, 32);
	unsigned session = number(m, 1);

	if (session > 32)
		return false;
	part(m, session);
	h->cipher = (uint16_t)number(m, 2);
	number(m, 1);
	if (m->bad || legacy >> 8 != 3)
		return false;
	h->retry = is_retry(&random);
	if (!read_extensions(h, m))
		return false;
	if (!h->version && !m->cut)
		h->version = (uint16_t)legacy;
	return h->retry ? h->version == 0x0304 || m->cut : true;
}

static size_t message_size(const struct hello *h)
{
	return MESSAGE_HEAD + ((size_t)h->message[1] << 16 | (size_t)h->message[2] << 8 | h->message[3]);
}

static enum hello_state decide(struct hello *h)
{
	size_t whole = message_size(h);
	struct cursor m = { h->message + MESSAGE_HEAD, (h->n < whole ? h->n : whole) - MESSAGE_HEAD, h->n < whole, false };
	bool good;

	h->cut = m.cut;
	h->kind = h->message[0] == MESSAGE_CLIENT ? HELLO_CLIENT : HELLO_SERVER;
	good = h->kind == HELLO_CLIENT ? read_client(h, &m) : read_server(h, &m);
	if (!good) {
		h->kind = HELLO_NONE;
		h->version = h->cipher = 0;
		h->nversions = 0;
		h->server_name[0] = h->alpn[0] = 0;
	}
	return h->state = good ? HELLO_DONE : HELLO_BAD;
}

/* ---- records ------------------------------------------------------------------------------------ */

static bool head_good(const uint8_t head[5])
{
	unsigned n = (unsigned)head[3] << 8 | head[4];

	return head[0] == RECORD_HANDSHAKE && head[1] == 3 && head[2] <= 4 && n && n <= RECORD_MAX;
}

enum hello_state hello_feed(struct hello *h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n && h->state == HELLO_MORE) {
		size_t k;

		if (!h->record) {
			h->head[h->nhead++] = *p++;
			n--;
			if (h->nhead < sizeof(h->head))
				continue;
			h->nhead = 0;
			if (!head_good(h->head))
				return h->n > MESSAGE_HEAD ? hello_end(h) : (h->state = HELLO_BAD);
			h->record = (unsigned)h->head[3] << 8 | h->head[4];
			continue;
		}
		k = n < h->record ? n : h->record;
		if (k > HELLO_MAX - h->n)
			k = HELLO_MAX - h->n;
		memcpy(h->message + h->n, p, k);
		h->n += (unsigned)k;
		h->record -= (unsigned)k;
		p += k;
		n -= k;
		if (h->message[0] != MESSAGE_CLIENT && h->message[0] != MESSAGE_SERVER)
			h->state = HELLO_BAD;
		else if (h->n == HELLO_MAX || (h->n >= MESSAGE_HEAD && h->n >= message_size(h)))
			decide(h);
	}
	return h->state;
}

enum hello_state hello_end(struct hello *h)
{
	if (h->state != HELLO_MORE)
		return h->state;
	if (h->n <= MESSAGE_HEAD)
		return h->state = HELLO_BAD;
	return decide(h);
}

const char *hello_version(uint16_t version)
{
	static const char *const names[] = { "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" };

	return version >= 0x0300 && version < 0x0300 + ARRAY_SIZE(names) ? names[version - 0x0300] : NULL;
}
