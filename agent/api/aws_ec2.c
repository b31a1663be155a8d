/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_ec2.c - EC2's parameters, which CloudTrail writes as an older form of its API had them: lists are {"items": [...]} under names that
 * end in "Set", and what a list has of plain values is wrapped once more: "instancesSet": {"items": [{"instanceId": "i-1"}]}.
 */
#include "agent/api/aws_internal.h"

/* Lists of a request whose names do not come of the rule: what they are called in the form, in the record, and their plain values there. */
static const struct {
	const char *wire, *set, *item;
} sets[] = {
	{ "BlockDeviceMapping", "blockDeviceMapping", NULL }, { "ExecutableBy", "executableBySet", "user" },
	{ "GroupId", "securityGroupIdSet", "groupId" }, { "GroupName", "securityGroupSet", "groupName" },
	{ "ImageId", "imagesSet", "imageId" }, { "InstanceId", "instancesSet", "instanceId" }, { "IpPermissions", "ipPermissions", NULL },
	{ "KeyName", "keySet", "keyName" }, { "Owner", "ownersSet", "owner" }, { "RegionName", "regionSet", "regionName" },
	{ "ResourceId", "resourcesSet", "resourceId" }, { "SecurityGroup", "securityGroupSet", "groupName" },
	{ "SecurityGroupId", "groupSet", "groupId" }, { "SnapshotId", "snapshotSet", "snapshotId" }, { "SubnetId", "subnetSet", "subnetId" },
	{ "VolumeId", "volumeSet", "volumeId" }, { "VpcId", "vpcSet", "vpcId" }, { "ZoneName", "availabilityZoneSet", "zoneName" },
};

/* What of RunInstances stands in its set of instances. */
#define RUN_MEMBERS "ImageId MinCount MaxCount KeyName"

static struct str list_key(struct aws_emit *e, struct str wire, bool top, struct str *ret_item)
{
	*ret_item = aws_lower_camel(e->arena, wire);
	if (str_is(wire, "Value"))	/* of filters */
		return STR("valueSet");
	if (!top)
		return *ret_item;
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (str_is(wire, sets[i].wire)) {
			if (sets[i].item)
				*ret_item = str_of(sets[i].item);
			return str_of(sets[i].set);
		}
	return api_join(e->arena, *ret_item, STR("Set"), NO_KEY);
}

static void put_elements(struct aws_emit *e, struct aws_node *n, const struct aws_shape *s, struct str item)
{
	struct aws_node **elements;
	struct aws_shape inner;
	unsigned count = aws_form_elements(e, n, s, &elements);

	if (!count)
		return;
	jsontext_open(&e->j, STR("items"), '[');
	for (unsigned i = 0; i < count; i++) {
		if (aws_shape_get(s->element, &inner)) {
			aws_emit_value(e, NO_KEY, elements[i], s->element);
			continue;
		}
		jsontext_open(&e->j, NO_KEY, '{');
		aws_emit_value(e, item, elements[i], s->element);
		jsontext_close(&e->j);
	}
	jsontext_close(&e->j);
}

/* Who may use a snapshot or an image: the attribute has another name there, and a snapshot's another spelling. */
static bool put_attribute(struct aws_emit *e, const struct aws_member *m, struct aws_node *n)
{
	bool snapshot = str_is(e->op, "ModifySnapshotAttribute");

	if (e->level != 1 || !str_is(aws_name(m->wire), "Attribute") || !(snapshot || str_is(e->op, "ModifyImageAttribute")))
		return false;
	if (snapshot && n->kind == NODE_TEXT && str_is(n->text, "createVolumePermission"))
		jsontext_string(&e->j, "attributeType", "CREATE_VOLUME_PERMISSION");
	else
		aws_emit_value(e, STR("attributeType"), n, m->shape);
	return true;
}

void aws_ec2_member(struct aws_emit *e, const struct aws_member *m, struct aws_node *n)
{
	struct str wire = aws_name(m->wire), key = aws_lower_camel(e->arena, wire), item;
	struct aws_shape s;

	if (put_attribute(e, m, n))
		return;
	if (!aws_shape_get(m->shape, &s) || s.kind != AWS_LIST) {
		aws_emit_value(e, key, n, m->shape);
		return;
	}
	if (e->level > 1 && str_is(wire, "Tag")) {	/* the one list that is written as it is: a specification's tags */
		aws_emit_value(e, STR("tags"), n, m->shape);
		return;
	}
	key = list_key(e, wire, e->level == 1, &item);
	jsontext_open(&e->j, key, '{');
	put_elements(e, n, &s, item);
	jsontext_close(&e->j);
}

void aws_ec2_run(struct aws_emit *e, struct aws_node *n, unsigned shape)
{
	struct aws_member m;

	jsontext_open(&e->j, STR("instancesSet"), '{');
	jsontext_open(&e->j, STR("items"), '[');
	jsontext_open(&e->j, NO_KEY, '{');
	for (struct aws_node *c = n->first; c; c = c->next) {
		if (!str_among(c->name, RUN_MEMBERS) || !aws_member_find(shape, c->name, AWS_BODY, &m))
			continue;
		aws_emit_value(e, aws_lower_camel(e->arena, c->name), c, m.shape);
		c->taken = true;
	}
	for (unsigned i = 0; i < 3; i++)
		jsontext_close(&e->j);
}
