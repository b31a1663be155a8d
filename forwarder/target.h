/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - the store's addresses in turn: each configured name, and each address that it resolves to. A name is
 * resolved when its turn comes (which may block: there is no link then). One thread. */
#ifndef HOSTTRAIL_FORWARDER_TARGET_H
#define HOSTTRAIL_FORWARDER_TARGET_H

#include <stdbool.h>

#include "lib/conf.h"
#include "link.h"

struct targets {
	const struct conf_list *stores;	/* borrowed */
	size_t at;			/* store whose turn it is */
	struct addrinfo *list, *next;	/* what it resolved to, and what of that is still to be tried */
	char name[256];
};

/* 0, or -errno and why: this one cannot be resolved. *ret_last: the round ends with it, so a pause is due if it fails.
 * target->name points into t. */
int targets_next(struct targets *t, struct link_target *ret_target, bool *ret_last, char why[256]);
void targets_close(struct targets *t);

#endif
