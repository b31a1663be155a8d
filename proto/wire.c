/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

static int take_fixed(struct wire_span *s, unsigned n, uint64_t *ret)
{
	uint64_t v = 0;

	if (wire_left(s) < n)
		return -EBADMSG;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)s->p[i] << (8 * i);
	s->p += n;
	*ret = v;
	return 1;
}

int wire_next(struct wire_span *s, struct wire_field *ret)
{
	uint64_t tag;

	if (s->p == s->end)
		return 0;
	if (!wire_get_varint(s, &tag) || tag >> 3 == 0 || tag >> 32)
		return -EBADMSG;
	ret->field = (uint32_t)(tag >> 3);
	ret->type = (enum wire_type)(tag & 7);
	switch (ret->type) {
	case WIRE_VARINT:
		return wire_get_varint(s, &ret->number) ? 1 : -EBADMSG;
	case WIRE_FIXED64:
		return take_fixed(s, 8, &ret->number);
	case WIRE_FIXED32:
		return take_fixed(s, 4, &ret->number);
	case WIRE_BYTES:
		if (!wire_get_varint(s, &ret->number) || ret->number > wire_left(s))
			return -EBADMSG;
		ret->bytes = (struct wire_span){ s->p, s->p + ret->number };
		s->p += ret->number;
		return 1;
	}
	return -EBADMSG;
}
