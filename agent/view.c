// SPDX-License-Identifier: Apache-2.0
/* view.c - takes an event apart into slots, one a field kind and argument, with every length checked. */
#include <errno.h>
#include <string.h>

#include "decode_internal.h"

_Static_assert(sizeof(struct ht_call) != sizeof(struct ht_ident) && sizeof(struct ht_call) != sizeof(struct ht_event), "told by size");

static const uint8_t slot_of_kind[HT_FIELD__MAX] = {
	[HT_FIELD_STR] = SLOT_STR + 1,	 [HT_FIELD_STR_ENTER] = SLOT_STR_ENTER + 1, [HT_FIELD_MEM] = SLOT_MEM + 1,
	[HT_FIELD_SOCKADDR] = SLOT_SOCKADDR + 1, [HT_FIELD_SOCK] = SLOT_SOCK + 1, [HT_FIELD_ARGV] = SLOT_ARGV + 1,
	[HT_FIELD_KSTR] = SLOT_KSTR + 1, [HT_FIELD_URING] = SLOT_URING + 1,
	[HT_FIELD_REPEAT] = SLOT_REPEAT + 1, [HT_FIELD_KOBJ] = SLOT_KOBJ + 1,
};

static const uint8_t slot_of_role[] = {
	[HT_WALK_FD] = SLOT_WALK_FD + 1,     [HT_WALK_RET] = SLOT_WALK_RET + 1, [HT_WALK_BASE] = SLOT_WALK_BASE + 1,
	[HT_WALK_ROOT] = SLOT_WALK_ROOT + 1, [HT_WALK_EXE] = SLOT_WALK_EXE + 1, [HT_WALK_CWD] = SLOT_WALK_CWD + 1,
	[HT_WALK_OBJECT] = SLOT_WALK_OBJECT + 1,
};

static unsigned slot_arg(uint8_t arg)
{
	return arg <= 5 ? arg : arg == HT_ARG_RET ? SLOT_RET : SLOT_TASK;
}

/* The first field of a kind and argument that could be read counts: a second one would be a lie about the first. */
static void view_put(struct view *v, const struct ht_field *f, const uint8_t *data)
{
	unsigned kind = f->kind == HT_FIELD_WALK ? slot_of_role[f->role] : slot_of_kind[f->kind];
	unsigned arg = slot_arg(f->arg);

	if (!kind-- || (v->have[kind] & 1u << arg && !(v->slot[kind][arg].flags & HT_FIELD_F_FAULT)))
		return;
	v->have[kind] |= (uint16_t)(1u << arg);
	v->slot[kind][arg] = (struct slot){ data, f->len, f->flags };
}

int view_take(struct view *v, const void *ev, uint32_t n)
{
	struct field_iter i;
	const uint8_t *data;
	struct ht_field f;
	size_t fixed;
	int r = event_head_check(ev, n, &fixed);

	if (r < 0)
		return r;
	if (fixed != sizeof(v->c))
		return -EBADMSG;	/* no call: the other kinds have other sizes */
	memcpy(&v->c, ev, sizeof(v->c));
	memset(v->have, 0, sizeof(v->have));
	i = (struct field_iter){ (const uint8_t *)ev + fixed, (const uint8_t *)ev + n };
	while ((r = field_take_checked(&i, &f, &data)) > 0)
		view_put(v, &f, data);
	return r;
}

int64_t arg_word(const struct view *v, unsigned arg)
{
	return view_word32(v) ? (int32_t)v->c.args[arg] : (int64_t)v->c.args[arg];
}

uint64_t arg_uword(const struct view *v, unsigned arg)
{
	return view_word32(v) ? (uint32_t)v->c.args[arg] : v->c.args[arg];
}
