/* SPDX-License-Identifier: Apache-2.0 */
/* apiview.h - a rule file in words: which calls are its, what each becomes, what of it is kept. */
#ifndef HOSTTRAIL_TOOLS_APIVIEW_H
#define HOSTTRAIL_TOOLS_APIVIEW_H

#include "agent/api/rulefile.h"
#include "lib/buf.h"

/* Appends lines of text; look at out->failed at the end. */
void apiview(const struct rule_file *f, struct buf *out);

#endif
