/* SPDX-License-Identifier: Apache-2.0 */
/* selectview.h - an event of LookupEvents as event selectors see it: the same answers as proto/recordselect.h gives for the record. */
#ifndef HOSTTRAIL_TOOLS_SELECTVIEW_H
#define HOSTTRAIL_TOOLS_SELECTVIEW_H

#include <json-c/json.h>

#include "lib/buf.h"
#include "proto/selectors.h"

/* record: the parsed CloudTrailEvent of the event. All fields become known; their texts lie in event, record and numbers
 * (reused, 32 bytes). */
void selectview(struct json_object *event, struct json_object *record, char numbers[32], struct select_view *ret_v);

#endif
