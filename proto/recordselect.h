/* SPDX-License-Identifier: Apache-2.0 */
/* recordselect.h - a record as event selectors see it: one of a batch, or one that is not written yet (sketch.h). */
#ifndef HOSTTRAIL_RECORDSELECT_H
#define HOSTTRAIL_RECORDSELECT_H

#include "recordread.h"
#include "selectors.h"

/* What a view is made of, wherever the record lies. Texts are borrowed; ones without bytes are absent. */
struct select_source {
	const struct record_host *host;
	struct record_summary summary;
	struct str container, cgroup, arn_tail;
	uint64_t start;			/* of the process */
	uint32_t euid, loginuid;	/* loginuid all ones: none */
	bool has_euid;
};
/* 0 or -ENOMEM; the rest as below. */
int select_view_of(const struct select_source *x, uint32_t uses, struct buf *text, struct select_view *ret_v);

/* Fills the fields of `uses` (a bit each, as struct selectors has them); all are known then. ARNs lie in text, the rest
 * in the reader: valid until the next call on either. 0, -EINVAL, -ENOMEM, -EBADMSG. */
int reader_select_view(struct reader *r, unsigned i, uint32_t uses, struct buf *text, struct select_view *ret_v);

#endif
