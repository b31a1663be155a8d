/* SPDX-License-Identifier: Apache-2.0 */
/* recordselect.h - a record of a batch as event selectors see it. */
#ifndef HOSTTRAIL_RECORDSELECT_H
#define HOSTTRAIL_RECORDSELECT_H

#include "recordread.h"
#include "selectors.h"

/* Fills the fields of `uses` (a bit each, as struct selectors has them); all are known then. ARNs lie in text, the rest
 * in the reader: valid until the next call on either. 0, -EINVAL, -ENOMEM, -EBADMSG. */
int reader_select_view(struct reader *r, unsigned i, uint32_t uses, struct buf *text, struct select_view *ret_v);
/* Does record i belong to what is selected? 1, 0, or as above. */
int reader_selected(struct reader *r, unsigned i, const struct selectors *s, struct buf *text);

#endif
