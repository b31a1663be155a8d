/* SPDX-License-Identifier: Apache-2.0 */
/* attrs.h - LookupEvents' attributes: their names, what values they take, and whether a record has one. Thread-safe. */
#ifndef HOSTTRAIL_STORE_ATTRS_H
#define HOSTTRAIL_STORE_ATTRS_H

#include "index.h"
#include "reply.h"

struct json_object;

struct attr_value {
	enum attr attr;
	struct buf value;	/* as the index has it: EventId is 16 bytes */
	bool impossible;	/* well formed, but no record can have it (EventId that is no UUID) */
};

/* {"AttributeKey": ..., "AttributeValue": ...}. 0, or -EINVAL and the error in r. */
int attr_parse(struct json_object *in, struct reply *r, struct attr_value *ret_v);
bool attr_matches(const struct attr_value *v, const struct record_summary *s);
void attr_value_free(struct attr_value *v);

#endif
