/* SPDX-License-Identifier: Apache-2.0 */
/* awssamples.h - calls as AWS's sample queries for CloudTrail Lake ask for them, each beside one that must not be found (tests/e2e/lake.py). */
#ifndef TESTS_AWSSAMPLES_H
#define TESTS_AWSSAMPLES_H

#include "lib/clock.h"
#include "storekit.h"

struct awssample {
	const char *source, *name;
	bool read_only;
	enum record_category category;
	const char *request, *response, *additional, *error, *message, *region, *tls;
};

#define MANAGE CATEGORY_MANAGEMENT
#define S3 "s3.amazonaws.com"
#define EC2 "ec2.amazonaws.com"
static const struct awssample awssamples[] = {
	{ .source = "signin.amazonaws.com", .name = "ConsoleLogin", .category = MANAGE,
	  .request = "null", .response = "{\"ConsoleLogin\":\"Success\"}", .additional = "{\"MFAUsed\":\"No\"}", .tls = "TLSv1.3" },
	{ .source = "signin.amazonaws.com", .name = "ConsoleLogin", .category = MANAGE,
	  .request = "null", .response = "{\"ConsoleLogin\":\"Success\"}", .additional = "{\"MFAUsed\":\"Yes\"}", .tls = "TLSv1.2" },
	{ .source = S3, .name = "GetObject", .read_only = true, .category = CATEGORY_DATA,
	  .request = "{\"bucketName\":\"b\",\"path\":\"b\",\"key\":\"k1\"}", .error = "AccessDenied", .message = "no" },
	{ .source = S3, .name = "GetObject", .read_only = true, .category = CATEGORY_DATA,
	  .request = "{\"bucketName\":\"b\",\"path\":\"b\",\"key\":\"k1\"}", .error = "AccessDenied", .message = "no" },
	{ .source = S3, .name = "GetObject", .read_only = true, .category = CATEGORY_DATA,
	  .request = "{\"bucketName\":\"b\",\"path\":\"b\",\"key\":\"k2\"}", .error = "NoSuchKey", .message = "gone" },
	{ .source = EC2, .name = "DescribeInstances", .read_only = true, .category = CATEGORY_NETWORK,
	  .request = "{}", .error = "VpceAccessDenied", .message = "by policy" },
	{ .source = "cloudtrail.amazonaws.com", .name = "CreateTrail", .category = MANAGE, .request = "{\"name\":\"t1\"}" },
	{ .source = "cloudtrail.amazonaws.com", .name = "StopLogging", .category = MANAGE, .request = "{\"name\":\"t2\"}" },
	{ .source = "cloudtrail.amazonaws.com", .name = "GetTrail", .read_only = true, .category = MANAGE, .request = "{\"name\":\"t3\"}" },
	{ .source = EC2, .name = "CreateTags", .category = MANAGE,
	  .request = "{\"resourcesSet\":{\"items\":[{\"resourceId\":\"i-1\"}]},\"tagSet\":{\"items\":[{\"key\":\"team\",\"value\":\"a\"}]}}" },
	{ .source = EC2, .name = "DeleteTags", .category = MANAGE,
	  .request = "{\"resourcesSet\":{\"items\":[{\"resourceId\":\"i-0\"}]},\"tagSet\":{\"items\":[{\"key\":\"env\"}]}}" },
	{ .source = EC2, .name = "AuthorizeSecurityGroupIngress", .category = MANAGE,
	  .request = "{\"groupId\":\"sg-1\",\"ipPermissions\":{\"items\":[{\"ipRanges\":{\"items\":[{\"cidrIp\":\"0.0.0.0/0\"}]}}]}}" },
	{ .source = EC2, .name = "AuthorizeSecurityGroupIngress", .category = MANAGE,
	  .request = "{\"groupId\":\"sg-2\",\"ipPermissions\":{\"items\":[{\"ipRanges\":{\"items\":[{\"cidrIp\":\"10.0.0.0/8\"}]}}]}}" },
	{ .source = EC2, .name = "ModifySecurityGroupRules", .category = MANAGE,
	  .request = "{\"ModifySecurityGroupRulesRequest\":{\"GroupId\":\"sg-3\",\"SecurityGroupRule\":{\"SecurityGroupRule\":{\"CidrIpv4\":\"0.0.0.0/0\"}}}}" },
	{ .source = EC2, .name = "StopInstances", .category = MANAGE, .request = "{}", .region = "eu-west-9" },
	{ .source = "iam.amazonaws.com", .name = "AddUserToGroup", .category = MANAGE,
	  .request = "{\"groupName\":\"the-admins\",\"userName\":\"eve\"}" },
	{ .source = "iam.amazonaws.com", .name = "AddUserToGroup", .category = MANAGE,
	  .request = "{\"groupName\":\"readers\",\"userName\":\"bob\"}" },
	{ .source = EC2, .name = "RunInstances", .category = MANAGE,
	  .request = "{}", .response = "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-0123456789\"}]}}" },
	{ .source = EC2, .name = "RunInstances", .category = MANAGE,
	  .request = "{}", .response = "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-9999999999\"}]}}" },
};

static inline int awssample_record(struct kit *k, uint64_t i, int64_t now)
{
	static const struct shape_field fields[] = { { SECTION_REQUEST, FIELD_WHOLE, FIELD_JSON, NULL }, { SECTION_RESPONSE, FIELD_WHOLE, FIELD_JSON, NULL },
						     { SECTION_ADDITIONAL, FIELD_WHOLE, FIELD_JSON, NULL }, { SECTION_TLS, "tlsVersion", FIELD_STRING, NULL } };
	static struct shape shapes[ARRAY_SIZE(awssamples)];
	const struct awssample *s = &awssamples[i];
	const char *const texts[] = { s->request, s->response, s->additional, s->tls };
	struct record_head head = { .ring_class = 2, .seq = i, .time = (uint64_t)(now + (int64_t)(i * NS_PER_SEC) - KIT_WALL_OFFSET),
				    .error = s->error, .error_message = s->message, .access_key = { "AKIA9", 5 } };
	int r = kit_identity(k, i);

	if (r < 0)
		return r;
	head.identity = (uint32_t)r;
	if (s->region)
		head.region = (struct str){ s->region, strlen(s->region) };
	shapes[i] = (struct shape){ s->source, s->name, "AwsApiCall", s->category, s->read_only, ARRAY_SIZE(fields), fields };
	r = batch_begin(k->batch, &shapes[i], &head);
	if (r < 0)
		return r;
	for (unsigned f = 0; f < ARRAY_SIZE(texts); f++)
		if (texts[f])
			batch_string(k->batch, f, texts[f], strlen(texts[f]));
	return batch_end(k->batch);
}

#endif
