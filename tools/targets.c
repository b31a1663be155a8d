/* SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/recordread.h"

static bool is_whole(const char *name)
{
	uint8_t id[16];

	return !strncmp(name, "bucket:", 7) || !strncmp(name, "arn:", 4) || uuid_parse(name, id) == 0;
}

int target_find(struct client *c, const char *name, char ret[TARGET_TEXT], char why[256])
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *list;
	int r;

	snprintf(ret, TARGET_TEXT, "%s", name);
	if (is_whole(name))
		return 0;
	r = client_call(c, HOSTTRAIL_OP("GetRetention"), NULL, &reply, why);
	if (r < 0)
		return r;
	list = member_at(reply, "EventDataStores");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *e = json_object_array_get_idx(list, i);

		if (!strcmp(member_text(e, "Name"), name)) {
			snprintf(ret, TARGET_TEXT, "%s", member_text(e, "EventDataStoreArn"));
			return 0;
		}
	}
	snprintf(why, 256, "there is no event data store %.100s", name);
	return -ENOENT;
}
