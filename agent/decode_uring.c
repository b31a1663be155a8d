// SPDX-License-Identifier: Apache-2.0
/* decode_uring.c - what a record says of an operation of io_uring beyond the call that does the same. */
#include <string.h>

#include "decode_internal.h"
#include "lib/cleanup.h"
#include "uring.h"

#define URING_FLAGS_SHOWN 10

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[URING_FLAGS_SHOWN] = {
	{ 1 << 0, "FIXED_FILE" },	  { 1 << 1, "IO_DRAIN" },
	{ 1 << 2, "IO_LINK" },		  { 1 << 3, "IO_HARDLINK" },
	{ 1 << 4, "ASYNC" },		  { 1 << 5, "BUFFER_SELECT" },
	{ 1 << 6, "CQE_SKIP_SUCCESS" },	  { HT_URING_F_SQPOLL, "SQPOLL" },
	{ HT_URING_F_PERSONALITY, "PERSONALITY" }, { HT_URING_F_MULTISHOT, "MULTISHOT" },
};

void uring_take(struct decoder *d)
{
	const struct slot *s = view_slot(&d->v, SLOT_URING, SLOT_TASK);

	memset(&d->uring, 0, sizeof(d->uring));
	if (!(d->v.c.h.flags & HT_EV_F_URING) || !s || s->n < sizeof(d->uring))
		return;
	memcpy(&d->uring, s->p, sizeof(d->uring));
	d->via = "io_uring";
	if (d->uring.flags & HT_URING_F_AMBIGUOUS)
		list_add(d->unverified, &d->nunverified, "result");
}

uint32_t uring_flags(const struct view *v)
{
	const struct slot *s = view_slot(v, SLOT_URING, SLOT_TASK);
	struct ht_uring u;

	if (!(v->c.h.flags & HT_EV_F_URING) || !s || s->n < sizeof(u))
		return HT_URING_F_PREP;
	memcpy(&u, s->p, sizeof(u));
	return u.flags;
}

bool uring_copied(const struct view *v)
{
	return !(uring_flags(v) & HT_URING_F_PREP);
}

const char *uring_no_result(const struct decoder *d)
{
	if (!(d->v.c.h.flags & HT_EV_F_NO_RESULT))
		return NULL;
	if (d->uring.flags & HT_URING_F_NO_ROOM)
		return "recorded when submitted: too many operations wait for their end";
	if (d->uring.flags & 1 << 6)
		return "recorded when submitted: it asked for no completion event";
	return "its end was not seen";
}

static void put_slot(struct decoder *d, unsigned field)
{
	if (!(d->uring.flags & HT_URING_F_DIRECT) || !view_ok(&d->v))
		return;
	batch_int(d->b, field, d->uring.slot == UINT32_MAX ? d->v.c.ret : (int64_t)d->uring.slot - 1);
}

void put_uring(struct decoder *d)
{
	const uint8_t *field = d->shape->common;
	struct str names[URING_FLAGS_SHOWN], s;
	unsigned n = 0;
	char room[12];

	if (!(d->v.c.h.flags & HT_EV_F_URING) || field[COMMON_URING_OPCODE] == FIELD_ABSENT)
		return;
	s = uring_op_name(d->v.c.nr, room);
	batch_string(d->b, field[COMMON_URING_OPCODE], s.p, s.n);
	for (unsigned i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (d->uring.flags & flag_names[i].bit)
			names[n++] = (struct str){ flag_names[i].name, strlen(flag_names[i].name) };
	if (n)
		batch_strings(d->b, field[COMMON_URING_FLAGS], names, n);
	if (d->uring.user_data)
		batch_int(d->b, field[COMMON_URING_DATA], (int64_t)d->uring.user_data);
	put_slot(d, field[COMMON_URING_SLOT]);
}
