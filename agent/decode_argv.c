// SPDX-License-Identifier: Apache-2.0
/*
 * decode_argv.c - an exec's arguments: split, redacted, and cut in the middle where they would not fit a record.
 *
 * CloudTrail allows 100 KB of requestParameters as JSON, where one byte can take six. What is cut says so with the
 * original size, and with its SHA-256 if nothing in it was hidden (a hash of a secret would give the secret away).
 */
#include <string.h>

#include "decode_internal.h"
#include "proto/keys.h"
#include "proto/redact.h"

#define BUDGET (64u * 1024)		/* JSON bytes of all arguments */
#define ARG_BUDGET (8u * 1024)		/* JSON bytes of one, when all are too many */
#define ARG_HEAD 1024u			/* bytes kept of each end of such a one */
#define MARK "[...]"

static unsigned split(const uint8_t *p, uint32_t n, struct str *ret_v, unsigned max)
{
	const uint8_t *end = p + n;
	unsigned count = 0;

	while (p < end && count < max) {
		const uint8_t *nul = memchr(p, 0, (size_t)(end - p));
		size_t len = nul ? (size_t)(nul - p) : (size_t)(end - p);

		ret_v[count++] = (struct str){ (const char *)p, len };
		p += len + 1;
	}
	return count;
}

/* Upper bound of what a string takes in JSON. */
static size_t json_cost(struct str s)
{
	size_t n = s.n + 3;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		n += c < ' ' || c >= 0x7f ? 5 : c == '"' || c == '\\';
	}
	return n;
}

static size_t total_cost(const struct str *v, unsigned n)
{
	size_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += json_cost(v[i]);
	return total;
}

static void cut_long(struct str *s, char *room, size_t *n, size_t max)
{
	size_t total = 2 * ARG_HEAD + sizeof(MARK) - 1;
	char *p = room + *n;

	if (s->n <= total || json_cost(*s) <= ARG_BUDGET)
		return;
	if (total > max - *n) {
		*s = (struct str){ MARK, sizeof(MARK) - 1 };
		return;
	}
	memcpy(p, s->p, ARG_HEAD);
	memcpy(p + ARG_HEAD, MARK, sizeof(MARK) - 1);
	memcpy(p + ARG_HEAD + sizeof(MARK) - 1, s->p + s->n - ARG_HEAD, ARG_HEAD);
	*s = (struct str){ p, total };
	*n += total;
}

/* Long arguments lose their middle; then the list does, if that was not enough. The new count. */
static unsigned cut(struct str *v, unsigned n, char *room, size_t max)
{
	size_t used = 0, head = 0, tail = 0;
	unsigned first = 0, last = n;

	for (unsigned i = 0; i < n; i++)
		cut_long(&v[i], room, &used, max);
	if (total_cost(v, n) <= BUDGET)
		return n;
	while (first < n && (head += json_cost(v[first])) <= BUDGET / 2)
		first++;
	while (last > first + 1 && (tail += json_cost(v[last - 1])) <= BUDGET / 2)
		last--;
	v[first++] = (struct str){ MARK, sizeof(MARK) - 1 };
	memmove(&v[first], &v[last], (n - last) * sizeof(*v));
	return first + n - last;
}

static void put_sha256(struct decoder *d, unsigned field, const uint8_t *p, size_t n)
{
	uint8_t hash[32];
	char hex[65];

	sha256(p, n, hash);
	hex_text(hash, sizeof(hash), hex);
	batch_string(d->b, field, hex, 64);
}

static void put_interpreter(struct decoder *d, unsigned field)
{
	struct str script = slot_str(view_slot(&d->v, SLOT_KSTR, 0)), interpreter = slot_str(view_slot(&d->v, SLOT_KSTR, 1));

	if (interpreter.n && (interpreter.n != script.n || memcmp(interpreter.p, script.p, script.n)))
		batch_string(d->b, field, interpreter.p, interpreter.n);
}

static void put_list(struct decoder *d, const struct slot *s, unsigned first)
{
	const uint8_t *p = s->p + sizeof(uint64_t);
	uint32_t size = s->n - (uint32_t)sizeof(uint64_t);
	bool kernel_cut = s->flags & HT_FIELD_F_CUT, own_cut = false;
	uint64_t total;
	unsigned n, hidden;

	memcpy(&total, s->p, sizeof(total));
	n = split(p, size, d->argv, sizeof(d->argv) / sizeof(d->argv[0]) - 2);
	hidden = redact_argv(d->argv, n, d->argv_room, sizeof(d->argv_room) / 2);
	if (total_cost(d->argv, n) > BUDGET) {
		n = cut(d->argv, n, d->argv_room + sizeof(d->argv_room) / 2, sizeof(d->argv_room) / 2);
		own_cut = true;
	}
	batch_strings(d->b, first + ARGV_LIST, d->argv, n);
	if (!kernel_cut && !own_cut)
		return;
	batch_int(d->b, first + ARGV_OMITTED, 1);
	if (!hidden && (!kernel_cut || total > size))
		batch_int(d->b, first + ARGV_SIZE, (int64_t)total);
	if (!hidden && !kernel_cut)
		put_sha256(d, first + ARGV_SHA256, p, size);
}

void put_argv(struct decoder *d, const struct call_arg *a, unsigned first)
{
	bool done = d->v.c.h.flags & HT_EV_F_EXEC;
	const struct slot *s = view_slot(&d->v, SLOT_ARGV, done ? SLOT_TASK : a->arg);

	if (s && s->flags & HT_FIELD_F_FAULT)
		list_add(d->unreadable, &d->nunreadable, a->name);
	else if (s)
		put_list(d, s, first);
	if (done)
		put_interpreter(d, first + ARGV_INTERPRETER);
}
