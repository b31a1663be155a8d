// SPDX-License-Identifier: Apache-2.0
/* fields.c - checks the bytes of a ring event, iterates its fields, and turns walks into path text. */
#include <errno.h>
#include <string.h>

#include "calls.h"
#include "decode.h"
#include "fields.h"

#define ALIGN8(n) (((n) + 7u) & ~7u)

/* What the field says about its length is believed only if it lies inside. */
static int field_take(const uint8_t **at, const uint8_t *end, struct ht_field *ret_f, const uint8_t **ret_data)
{
	size_t left = (size_t)(end - *at);
	struct ht_field f;

	if (left < sizeof(f))
		return -EBADMSG;
	memcpy(&f, *at, sizeof(f));
	left -= sizeof(f);
	if (f.len > left || ALIGN8(f.len) < f.len)
		return -EBADMSG;
	*ret_data = *at + sizeof(f);
	*at = *ret_data + (ALIGN8(f.len) <= left ? ALIGN8(f.len) : left);
	*ret_f = f;
	return 0;
}

/* ncomp names, leaf first, each with its NUL, and nothing after them. */
static bool names_well_formed(const uint8_t *p, uint32_t n, unsigned ncomp)
{
	const uint8_t *end = p + n;

	while (ncomp--) {
		const uint8_t *nul = memchr(p, 0, (size_t)(end - p));

		if (!nul)
			return false;
		p = nul + 1;
	}
	return p == end;
}

static int walk_check(const uint8_t *data, uint32_t len)
{
	struct ht_walk w;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, data, sizeof(w));
	if (w.root_at > w.ncomp || w.ncomp > len)
		return -EBADMSG;
	return names_well_formed(data + sizeof(w), len - (uint32_t)sizeof(w), w.ncomp) ? 0 : -EBADMSG;
}

static int field_check(const struct ht_field *f, const uint8_t *data)
{
	if (f->arg > 5 && f->arg != HT_ARG_RET && f->arg != HT_ARG_TASK)
		return -EBADMSG;
	if (f->kind == HT_FIELD_WALK && (f->role < HT_WALK_FD || f->role > HT_WALK_OBJECT))
		return -EBADMSG;
	if (f->flags & HT_FIELD_F_FAULT)
		return f->len || !f->kind || f->kind >= HT_FIELD__MAX ? -EBADMSG : 0;
	switch (f->kind) {
	case HT_FIELD_STR:
	case HT_FIELD_STR_ENTER:
	case HT_FIELD_KSTR:
	case HT_FIELD_MEM:
	case HT_FIELD_SOCKADDR:
		return 0;
	case HT_FIELD_WALK:
		return walk_check(data, f->len);
	case HT_FIELD_SOCK:
		return f->len == sizeof(struct ht_sock) ? 0 : -EBADMSG;
	case HT_FIELD_ARGV:
		return f->len >= sizeof(uint64_t) ? 0 : -EBADMSG;
	case HT_FIELD_IDMIN:
		return f->len == sizeof(struct ht_idmin) ? 0 : -EBADMSG;
	case HT_FIELD_URING:
		return f->len == sizeof(struct ht_uring) ? 0 : -EBADMSG;
	case HT_FIELD_REPEAT:
		return f->len == sizeof(struct ht_repeat) ? 0 : -EBADMSG;
	case HT_FIELD_KOBJ:
		return f->len && f->len <= HT_KOBJ_PLACES * sizeof(struct ht_kobj) && f->len % sizeof(struct ht_kobj) == 0 ? 0 : -EBADMSG;
	case HT_FIELD_CGROUP:
		return !f->len || !data[f->len - 1] ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int field_take_checked(struct field_iter *i, struct ht_field *ret_f, const uint8_t **ret_data)
{
	int r;

	if (i->at >= i->end)
		return 0;
	r = field_take(&i->at, i->end, ret_f, ret_data);
	if (r == 0)
		r = field_check(ret_f, *ret_data);
	return r < 0 ? r : 1;
}

int event_head_check(const void *p, uint32_t n, size_t *ret_fixed)
{
	struct ht_event h;
	size_t fixed;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	if (h.len != n || h.abi >= HT_ABI__MAX || h.class >= HT_CLASS__MAX)
		return -EBADMSG;
	switch (h.kind) {
	case HT_EV_CALL:
		fixed = sizeof(struct ht_call);
		break;
	case HT_EV_IDENT:
		fixed = sizeof(struct ht_ident);
		break;
	case HT_EV_EXIT:
		fixed = sizeof(h);
		break;
	default:
		return -EBADMSG;
	}
	if (n < fixed || (h.kind == HT_EV_EXIT && n != fixed))
		return -EBADMSG;
	if (h.kind == HT_EV_CALL) {
		uint16_t call;

		memcpy(&call, (const uint8_t *)p + offsetof(struct ht_call, call), sizeof(call));
		if (!call || call >= calls_count())
			return -EBADMSG;
	}
	*ret_fixed = fixed;
	return 0;
}

int event_check(const void *p, uint32_t n)
{
	struct field_iter i;
	const uint8_t *data;
	struct ht_field f;
	size_t fixed;
	int r = event_head_check(p, n, &fixed);

	if (r < 0)
		return r;
	i = (struct field_iter){ (const uint8_t *)p + fixed, (const uint8_t *)p + n };
	do
		r = field_take_checked(&i, &f, &data);
	while (r > 0);
	return r;
}

void fields_of_call(const struct ht_call *ev, uint32_t n, struct field_iter *ret_i)
{
	ret_i->at = (const uint8_t *)(ev + 1);
	ret_i->end = (const uint8_t *)ev + n;
}

void fields_of_ident(const struct ht_ident *ev, uint32_t n, struct field_iter *ret_i)
{
	ret_i->at = (const uint8_t *)(ev + 1);
	ret_i->end = (const uint8_t *)ev + n;
}

int field_next(struct field_iter *i, struct ht_field *ret_f, const uint8_t **ret_data)
{
	if (i->at >= i->end)
		return 0;
	return field_take(&i->at, i->end, ret_f, ret_data) < 0 ? 0 : 1;
}
