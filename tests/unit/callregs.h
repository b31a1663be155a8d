/* SPDX-License-Identifier: Apache-2.0 */
/* callregs.h - which of a call's registers its record shows, by the table of calls. */
#ifndef HOSTTRAIL_CALLREGS_H
#define HOSTTRAIL_CALLREGS_H

#include <stdbool.h>
#include <string.h>

#include "agent/calls_internal.h"

static inline unsigned callregs_of_arg(const struct call_arg *a)
{
	unsigned m = a->arg < 6 ? 1u << a->arg : 0;

	if (a->kind == ARG_OFF64)
		m |= 1u << (a->arg + 1);
	if ((a->kind == ARG_PATH || a->kind == ARG_OPENED) && a->aux < 6)
		m |= 1u << a->aux;
	return m;
}

/* By name and type, and every one that the call takes; a register that says how much of another to read counts as shown with it. */
static inline bool callregs_all_shown(unsigned call)
{
	const struct ht_call_desc *d = &calls_descs()[call];
	const struct call_arg *a = calls_row(call)->args;
	unsigned shown = 0;

	if (a->name && !strcmp(a->name, "arg1"))
		return false;	/* long gone: registers as numbers */
	for (; a->name; a++)
		shown |= callregs_of_arg(a);
	for (unsigned k = 0; k < d->nops; k++)
		if (d->op[k].kind != HT_OP_PATH && d->op[k].kind != HT_OP_FD && d->op[k].aux < 6)
			shown |= 1u << d->op[k].aux;
	return !(~shown & ((1u << d->nargs) - 1));
}

static inline unsigned callregs_rows_whole(void)
{
	unsigned n = 0;

	for (unsigned i = 2; i < calls_count(); i++)
		n += callregs_all_shown(i);
	return n;
}

#endif
