// SPDX-License-Identifier: Apache-2.0
/*
 * decode_argv.c - an exec's arguments: split, redacted, and cut in the middle where they would not fit a record.
 *
 * CloudTrail allows 100 KB of requestParameters as JSON, where one byte can take six. What is cut says so with the
 * original size, and with its SHA-256 if nothing in it was hidden (a hash of a secret would give the secret away).
 *
 * Of more than the probes carry (HT_ARGV_MAX) both ends come. The argument that the gap begins in shows its beginning. Two
 * arguments behind the gap are left out: of the first only the end is known, and what the second is may depend on the
 * first, which could have been "--password".
 */
#include <string.h>

#include "decode_internal.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/redact.h"

#define REQUEST_MAX (100u * 1024)	/* JSON bytes of requestParameters */
#define REQUEST_REST 1024u		/* names and small fields beside argv and paths */
#define ARG_BUDGET (8u * 1024)		/* JSON bytes of one, when all are too many */
#define ARG_HEAD 1024u			/* bytes kept of each end of such a one */
#define MARK "[...]"

static unsigned split(const uint8_t *p, uint32_t n, struct str *ret_v, unsigned max)
{
	unsigned count = 0;

	for (size_t at = 0; at < n && count < max; count++) {
		const char *s = (const char *)p + at;

		ret_v[count] = (struct str){ s, strnlen(s, n - at) };
		at += ret_v[count].n + 1;
	}
	return count;
}

/* What a string takes in JSON, with its quotes and a comma; at most a little more. */
static size_t json_cost(struct str s)
{
	size_t n = 3;

	for (size_t at = 0; at < s.n;) {
		const uint8_t *p = (const uint8_t *)s.p + at;
		unsigned len = *p < 0x80 ? 1 : utf8_sequence(p, s.n - at);

		if (len <= 1)	/* escaped, as it is, or U+FFFD and two digits */
			n += *p < ' ' || *p == 0x7f ? 6 : *p >= 0x80 ? 5 : *p == '"' || *p == '\\' || *p == '/' ? 2 : 1;
		else
			n += len == 3 ? 5 : len;	/* U+FFFD itself is among those of three */
		at += len ? len : 1;
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
static unsigned cut(struct str *v, unsigned n, size_t budget, char *room, size_t max)
{
	size_t used = 0, head = 0, tail = 0;
	unsigned first = 0, last = n;

	for (unsigned i = 0; i < n; i++)
		cut_long(&v[i], room, &used, max);
	if (total_cost(v, n) <= budget)
		return n;
	while (first < n && (head += json_cost(v[first])) <= budget / 2)
		first++;
	while (last > first + 1 && (tail += json_cost(v[last - 1])) <= budget / 2)
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

/* What the paths that stand before argv leave of requestParameters. */
static size_t budget_of(const struct decoder *d)
{
	size_t used = REQUEST_REST;

	for (unsigned i = 0; i < d->npaths; i++)
		used += json_cost(d->path[i].path) + json_cost(d->path[i].requested) + json_cost(d->path[i].at_enter);
	used += json_cost(slot_str(view_slot(&d->v, SLOT_KSTR, 1)));
	return used < REQUEST_MAX / 2 ? REQUEST_MAX - used : REQUEST_MAX / 2;
}

/* The two halves that the probes gave of too many. *ret_gap: the argument that the gap begins in. */
static unsigned split_ends(struct decoder *d, const uint8_t *p, uint32_t size, unsigned *ret_gap)
{
	uint32_t half = size / 2;
	unsigned max = sizeof(d->argv) / sizeof(d->argv[0]) - 2, n, tail;

	n = split(p, half, d->argv, max / 2);
	if (!n || !p[half - 1])
		d->argv[n++] = (struct str){ MARK, 0 };		/* it begins between two */
	*ret_gap = n - 1;
	tail = split(p + half, size - half, d->argv + n, max - n);
	if (tail <= 2)
		return n;
	memmove(&d->argv[n], &d->argv[n + 2], (tail - 2) * sizeof(d->argv[0]));
	return n + tail - 2;
}

/* The argument that the gap begins in: its beginning, if there is so much that what is shown lies far from the gap. */
static void cut_gap(struct str *s, char *room)
{
	if (s->n < 2 * ARG_HEAD) {
		*s = (struct str){ MARK, sizeof(MARK) - 1 };
		return;
	}
	memcpy(room, s->p, ARG_HEAD);
	memcpy(room + ARG_HEAD, MARK, sizeof(MARK) - 1);
	*s = (struct str){ room, ARG_HEAD + sizeof(MARK) - 1 };
}

static void put_list(struct decoder *d, const struct slot *s, unsigned first)
{
	char *room = d->argv_room + sizeof(d->argv_room) / 2, *end = d->argv_room + sizeof(d->argv_room);
	const uint8_t *p = s->p + sizeof(uint64_t);
	uint32_t size = s->n - (uint32_t)sizeof(uint64_t);
	bool kernel_cut = s->flags & HT_FIELD_F_CUT, own_cut = false, ends;
	size_t budget = budget_of(d);
	unsigned n, hidden, gap = 0;
	uint64_t total;

	memcpy(&total, s->p, sizeof(total));
	ends = kernel_cut && total > size && size >= 2;
	n = ends ? split_ends(d, p, size, &gap) : split(p, size, d->argv, sizeof(d->argv) / sizeof(d->argv[0]) - 2);
	hidden = redact_argv(d->argv, n, d->argv_room, sizeof(d->argv_room) / 2);
	if (ends) {
		cut_gap(&d->argv[gap], room);
		room += ARG_HEAD + sizeof(MARK);
	}
	if (total_cost(d->argv, n) > budget) {
		n = cut(d->argv, n, budget, room, (size_t)(end - room));
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

/* The new program's memory holds what the kernel gave it, unless another process wrote there since; of an exec that failed there is only the caller's, which others may write. */
void put_argv(struct decoder *d, const struct call_arg *a, unsigned first)
{
	bool done = d->v.c.h.flags & HT_EV_F_EXEC;
	const struct slot *s = view_slot(&d->v, SLOT_ARGV, done ? SLOT_TASK : a->arg);

	if (s && s->flags & HT_FIELD_F_FAULT)
		list_add(d->unreadable, &d->nunreadable, a->name);
	else if (s)
		put_list(d, s, first);
	if (s && (!done || slot_doubted(s)))
		list_add(d->unverified, &d->nunverified, a->name);
	if (done)
		put_interpreter(d, first + ARGV_INTERPRETER);
}
