// SPDX-License-Identifier: Apache-2.0
#include "selectview.h"

#include <stdio.h>
#include <string.h>

#include "client.h"

#define NUMBER_LEN 16

static void add(struct select_view *v, enum select_field field, struct json_object *o, const char *path)
{
	struct json_object *x = member_at(o, path);

	if (json_object_is_type(x, json_type_string) && json_object_get_string_len(x))
		select_view_add(v, field, (struct str){ json_object_get_string(x), (size_t)json_object_get_string_len(x) });
}

static void add_number(struct select_view *v, enum select_field field, struct json_object *o, const char *path,
		       char text[NUMBER_LEN])
{
	struct json_object *x = member_at(o, path);

	if (!x)
		return;
	snprintf(text, NUMBER_LEN, "%u", (unsigned)json_object_get_int64(x));
	select_view_text(v, field, text);
}

/* The event has the names of what was acted on, the record their ARNs. */
static void add_resources(struct json_object *event, struct json_object *record, struct select_view *v)
{
	struct json_object *named = member_at(event, "Resources"), *arns = member_at(record, "resources");

	for (size_t i = 0; json_object_is_type(named, json_type_array) && i < json_object_array_length(named); i++) {
		struct json_object *r = json_object_array_get_idx(named, i);

		add(v, SELECT_RESOURCE_TYPE, r, "ResourceType");
		if (!strcmp(member_text(r, "ResourceType"), "Linux::File"))
			add(v, SELECT_PATH, r, "ResourceName");
	}
	for (size_t i = 0; json_object_is_type(arns, json_type_array) && i < json_object_array_length(arns); i++)
		add(v, SELECT_RESOURCE_ARN, json_object_array_get_idx(arns, i), "ARN");
}

void selectview(struct json_object *event, struct json_object *record, char numbers[32], struct select_view *v)
{
	static const struct {
		enum select_field field;
		const char *path;
	} texts[] = {
		{ SELECT_CATEGORY, "eventCategory" }, { SELECT_SOURCE, "eventSource" }, { SELECT_NAME, "eventName" },
		{ SELECT_TYPE, "eventType" }, { SELECT_ERROR, "errorCode" }, { SELECT_USER_ARN, "userIdentity.arn" },
		{ SELECT_USER, "userIdentity.userName" }, { SELECT_USER, "userIdentity.invokedBy" },
		{ SELECT_USER, "userIdentity.sessionContext.sourceIdentity" },
		{ SELECT_USER, "userIdentity.sessionContext.sessionIssuer.userName" },
		{ SELECT_EXECUTABLE, "additionalEventData.process.executable.path" },
		{ SELECT_CONTAINER, "additionalEventData.process.container" },
		{ SELECT_CGROUP, "additionalEventData.process.cgroup" },
	};

	select_view_init(v);
	for (unsigned f = 0; f < SELECT__MAX; f++)
		select_view_text(v, f, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add(v, texts[i].field, record, texts[i].path);
	select_view_text(v, SELECT_READ_ONLY, json_object_get_boolean(member_at(record, "readOnly")) ? "true" : "false");
	add_number(v, SELECT_EUID, record, "additionalEventData.process.uids.euid", numbers);
	add_number(v, SELECT_LOGINUID, record, "additionalEventData.process.loginuid", numbers + NUMBER_LEN);
	add_resources(event, record, v);
}
