/* SPDX-License-Identifier: Apache-2.0 */
/* aws_names.c - operations that CloudTrail calls otherwise than the model does. */
#include "agent/api/aws_internal.h"

static const struct {
	const char *prefix, *op, *name;	/* prefix: the service's */
} names[] = {
	{ "s3", "GetBucketAccelerateConfiguration", "GetAccelerateConfiguration" },
	{ "s3", "PutBucketAccelerateConfiguration", "PutAccelerateConfiguration" },
	{ "s3", "GetBucketLifecycleConfiguration", "GetBucketLifecycle" },
	{ "s3", "PutBucketLifecycleConfiguration", "PutBucketLifecycle" },
	{ "s3", "GetBucketNotificationConfiguration", "GetBucketNotification" },
	{ "s3", "PutBucketNotificationConfiguration", "PutBucketNotification" },
	{ "s3", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration" },
	{ "s3", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration" },
	{ "s3", "GetPublicAccessBlock", "GetBucketPublicAccessBlock" },
	{ "s3", "PutPublicAccessBlock", "PutBucketPublicAccessBlock" },
	{ "s3", "DeletePublicAccessBlock", "DeleteBucketPublicAccessBlock" },
	{ "s3", "ListObjectsV2", "ListObjects" },
	{ "s3-control", "GetPublicAccessBlock", "GetAccountPublicAccessBlock" },
	{ "s3-control", "PutPublicAccessBlock", "PutAccountPublicAccessBlock" },
	{ "s3-control", "DeletePublicAccessBlock", "DeleteAccountPublicAccessBlock" },
	{ "lambda", "AddLayerVersionPermission", "AddLayerVersionPermission20181031" },
	{ "lambda", "AddPermission", "AddPermission20150331v2" },
	{ "lambda", "CreateAlias", "CreateAlias20150331" },
	{ "lambda", "CreateEventSourceMapping", "CreateEventSourceMapping20150331" },
	{ "lambda", "CreateFunction", "CreateFunction20150331" },
	{ "lambda", "DeleteAlias", "DeleteAlias20150331" },
	{ "lambda", "DeleteEventSourceMapping", "DeleteEventSourceMapping20150331" },
	{ "lambda", "DeleteFunction", "DeleteFunction20150331" },
	{ "lambda", "DeleteFunctionConcurrency", "DeleteFunctionConcurrency20171031" },
	{ "lambda", "DeleteLayerVersion", "DeleteLayerVersion20181031" },
	{ "lambda", "GetAccountSettings", "GetAccountSettings20160819" },
	{ "lambda", "GetAlias", "GetAlias20150331" },
	{ "lambda", "GetEventSourceMapping", "GetEventSourceMapping20150331" },
	{ "lambda", "GetFunction", "GetFunction20150331v2" },
	{ "lambda", "GetFunctionConfiguration", "GetFunctionConfiguration20150331v2" },
	{ "lambda", "GetLayerVersion", "GetLayerVersion20181031" },
	{ "lambda", "GetLayerVersionByArn", "GetLayerVersionByArn20181031" },
	{ "lambda", "GetLayerVersionPolicy", "GetLayerVersionPolicy20181031" },
	{ "lambda", "GetPolicy", "GetPolicy20150331v2" },
	{ "lambda", "ListAliases", "ListAliases20150331" },
	{ "lambda", "ListEventSourceMappings", "ListEventSourceMappings20150331" },
	{ "lambda", "ListFunctions", "ListFunctions20150331" },
	{ "lambda", "ListLayerVersions", "ListLayerVersions20181031" },
	{ "lambda", "ListLayers", "ListLayers20181031" },
	{ "lambda", "ListTags", "ListTags20170331" },
	{ "lambda", "ListVersionsByFunction", "ListVersionsByFunction20150331" },
	{ "lambda", "PublishLayerVersion", "PublishLayerVersion20181031" },
	{ "lambda", "PublishVersion", "PublishVersion20150331" },
	{ "lambda", "PutFunctionConcurrency", "PutFunctionConcurrency20171031" },
	{ "lambda", "RemoveLayerVersionPermission", "RemoveLayerVersionPermission20181031" },
	{ "lambda", "RemovePermission", "RemovePermission20150331v2" },
	{ "lambda", "TagResource", "TagResource20170331v2" },
	{ "lambda", "UntagResource", "UntagResource20170331v2" },
	{ "lambda", "UpdateAlias", "UpdateAlias20150331" },
	{ "lambda", "UpdateEventSourceMapping", "UpdateEventSourceMapping20150331" },
	{ "lambda", "UpdateFunctionCode", "UpdateFunctionCode20150331v2" },
	{ "lambda", "UpdateFunctionConfiguration", "UpdateFunctionConfiguration20150331v2" },
};

struct str aws_event_name(const struct aws_service *s, struct str op)
{
	for (unsigned i = 0; s && i < sizeof(names) / sizeof(names[0]); i++)
		if (str_is(op, names[i].op) && !strcmp(s->prefix, names[i].prefix))
			return str_of(names[i].name);
	return op;
}
