/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_aws.c - AWS calls by hand: one of each protocol and kind, signatures, S3's subresources, errors, secrets, broken bodies. */
#include <malloc.h>

#include "agent/api/rules.h"
#include "callmake.h"
#include "tests/tap.h"

static struct callmake m;

#define SIGNED(service) "authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261129/eu-west-1/" service \
	"/aws4_request, SignedHeaders=host, Signature=0123456789abcdef\n"
#define FORM "content-type: application/x-www-form-urlencoded; charset=utf-8\n"
#define SDK "user-agent: Boto3/1.26.27 Python/3.11.2 Linux/6.1 Botocore/1.29.27\n"
#define JSON11 "content-type: application/x-amz-json-1.1\n"

static void describe(const char *request, const char *fields, const char *body, unsigned status, const char *answer_fields, const char *answer)
{
	callmake(&m, request, fields, body, status, answer_fields, answer);
	ok_int(callmake_describe(&m), 0);
	ok_str(m.out.rule, "aws");
}

#define OUT(field) callmake_text(&m, m.out.field)

static const struct {
	const char *request, *fields, *body, *source, *name, *parameters;
	bool read_only;
	enum record_category category;
} rows[] = {
	{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=CreateUser&Version=2010-05-08&UserName=bob&Tags.member.1.Key=a&Tags.member.1.Value=b%20c",
	  "iam.amazonaws.com", "CreateUser", "{\"userName\":\"bob\",\"tags\":[{\"key\":\"a\",\"value\":\"b c\"}]}", false, CATEGORY_MANAGEMENT },
	{ "GET https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", SIGNED("sts"), NULL, "sts.amazonaws.com", "GetCallerIdentity", "(absent)",
	  true, CATEGORY_MANAGEMENT },
	{ "POST https://ec2.eu-west-1.amazonaws.com/", FORM SIGNED("ec2"),
	  "Action=DescribeInstances&Version=2016-11-15&InstanceId.2=i-b&InstanceId.1=i-a&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&MaxResults=5&DryRun=false",
	  "ec2.amazonaws.com", "DescribeInstances",
	  "{\"instancesSet\":{\"items\":[{\"instanceId\":\"i-a\"},{\"instanceId\":\"i-b\"}]},\"filterSet\":{\"items\":[{\"name\":\"vpc-id\","
	  "\"valueSet\":{\"items\":[{\"value\":\"vpc-1\"}]}}]},\"maxResults\":5,\"dryRun\":false}", true, CATEGORY_MANAGEMENT },
	{ "POST https://ec2.eu-west-1.amazonaws.com/", FORM SIGNED("ec2"),
	  "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22"
	  "&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0", "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress",
	  "{\"groupId\":\"sg-1\",\"ipPermissions\":{\"items\":[{\"ipProtocol\":\"tcp\",\"fromPort\":22,\"toPort\":22,\"ipRanges\":{\"items\":[{\"cidrIp\":\"0.0.0.0/0\"}]}}]}}",
	  false, CATEGORY_MANAGEMENT },
	{ "POST https://ec2.eu-west-1.amazonaws.com/", FORM SIGNED("ec2"),
	  "Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=2&InstanceType=t3.nano&TagSpecification.1.ResourceType=instance"
	  "&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b&UserData=eA", "ec2.amazonaws.com", "RunInstances",
	  "{\"instancesSet\":{\"items\":[{\"imageId\":\"ami-1\",\"minCount\":1,\"maxCount\":2}]},\"instanceType\":\"t3.nano\",\"tagSpecificationSet\":{\"items\":["
	  "{\"resourceType\":\"instance\",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}]},\"userData\":\"" REDACT_HIDDEN "\"}", false, CATEGORY_MANAGEMENT },
	{ "POST https://dynamodb.eu-west-1.amazonaws.com/", "x-amz-target: DynamoDB_20120810.PutItem\ncontent-type: application/x-amz-json-1.0\n" SIGNED("dynamodb"),
	  "{\"TableName\":\"t\",\"Item\":{\"id\":{\"S\":\"content\"}}}", "dynamodb.amazonaws.com", "PutItem",
	  "{\"tableName\":\"t\",\"item\":\"" REDACT_HIDDEN "\"}", false, CATEGORY_DATA },
	{ "POST https://localhost:4566/", "x-amz-target: CloudTrail_20131101.StopLogging\n" JSON11 SIGNED("cloudtrail"), "{\"Name\":\"trail\"}",
	  "cloudtrail.amazonaws.com", "StopLogging", "{\"name\":\"trail\"}", false, CATEGORY_MANAGEMENT },
	{ "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/fn%2Fx/invocations?Qualifier=1",
	  "x-amz-invocation-type: Event\n" SIGNED("lambda"), "{\"secret\":1}", "lambda.amazonaws.com", "Invoke",
	  "{\"functionName\":\"fn/x\",\"qualifier\":\"1\",\"invocationType\":\"Event\",\"payload\":\"" REDACT_HIDDEN "\"}", false, CATEGORY_DATA },
	{ "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions", SIGNED("lambda"),
	  "{\"FunctionName\":\"f\",\"Code\":{\"ZipFile\":\"UEsDBA==\"},\"Environment\":{\"Variables\":{\"A\":\"b\"}},\"Timeout\":3}", "lambda.amazonaws.com",
	  "CreateFunction20150331",
	  "{\"functionName\":\"f\",\"code\":{\"zipFile\":\"" REDACT_HIDDEN "\"},\"environment\":{\"variables\":\"" REDACT_HIDDEN "\"},\"timeout\":3}", false,
	  CATEGORY_MANAGEMENT },
	{ "POST https://cloudfront.amazonaws.com/2022-01-01/distribution/E1/invalidation", SIGNED("cloudfront"),
	  "<InvalidationBatch><Paths><Quantity>1</Quantity><Items><Path>/a</Path></Items></Paths><CallerReference>r</CallerReference></InvalidationBatch>",
	  "cloudfront.amazonaws.com", "CreateInvalidation",
	  "{\"distributionId\":\"E1\",\"invalidationBatch\":{\"paths\":{\"quantity\":1,\"items\":[\"/a\"]},\"callerReference\":\"r\"}}", false,
	  CATEGORY_MANAGEMENT },
	{ "POST https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/SetAlarmState",
	  "smithy-protocol: rpc-v2-cbor\ncontent-type: application/cbor\n" SIGNED("monitoring"),
	  "\xa2" "\x69" "AlarmName" "\x61" "a" "\x6a" "StateValue" "\x62" "OK", "monitoring.amazonaws.com", "SetAlarmState",
	  "{\"alarmName\":\"a\",\"stateValue\":\"OK\"}", false, CATEGORY_MANAGEMENT },
	{ "POST https://sts.amazonaws.com/", FORM, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&WebIdentityToken=eyJx",
	  "sts.amazonaws.com", "AssumeRoleWithWebIdentity", "{\"roleArn\":\"arn:aws:iam::123456789012:role/r\",\"webIdentityToken\":\"" REDACT_HIDDEN "\"}", true,
	  CATEGORY_MANAGEMENT },
	{ "POST https://ec2.eu-west-1.amazonaws.com/", FORM SIGNED("ec2"), "Action=ModifySnapshotAttribute&Version=2016-11-15&SnapshotId=snap-1"
	  "&Attribute=createVolumePermission&CreateVolumePermission.Add.1.UserId=123456789012", "ec2.amazonaws.com", "ModifySnapshotAttribute",
	  "{\"snapshotId\":\"snap-1\",\"attributeType\":\"CREATE_VOLUME_PERMISSION\",\"createVolumePermission\":{\"add\":{\"items\":[{\"userId\":\"123456789012\"}]}}}",
	  false, CATEGORY_MANAGEMENT },
	/* a form, and an "Action", where paths tell operations */
	{ "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f/invocations?Action=x", FORM SIGNED("lambda"), "Action=GetUser", "lambda.amazonaws.com",
	  "Invoke", "{\"functionName\":\"f\",\"payload\":\"" REDACT_HIDDEN "\"}", false, CATEGORY_DATA },
	/* a queue's own address */
	{ "GET https://sqs.eu-west-1.amazonaws.com/123456789012/q?Action=PurgeQueue&Version=2012-11-05", SIGNED("sqs"), NULL, "sqs.amazonaws.com", "PurgeQueue",
	  "(absent)", false, CATEGORY_MANAGEMENT },
	/* JSON of a service whose model has forms */
	{ "POST https://sqs.eu-west-1.amazonaws.com/", "x-amz-target: AmazonSQS.TagQueue\ncontent-type: application/x-amz-json-1.0\n" SIGNED("sqs"),
	  "{\"QueueUrl\":\"https://sqs/q\",\"Tags\":{\"a\":\"b\",\"password\":\"c\"}}", "sqs.amazonaws.com", "TagQueue",
	  "{\"queueUrl\":\"https://sqs/q\",\"tags\":{\"a\":\"b\",\"password\":\"" REDACT_HIDDEN "\"}}", false, CATEGORY_MANAGEMENT },
	/* newer than the model, by each protocol */
	{ "POST https://kms.eu-west-1.amazonaws.com/", "x-amz-target: TrentService.InventKey\n" JSON11 SIGNED("kms"), "{\"KeyId\":\"k\"}", "kms.amazonaws.com",
	  "InventKey", "(absent)", false, CATEGORY_MANAGEMENT },
	{ "POST https://new.eu-west-1.amazonaws.com/", FORM SIGNED("brandnew"), "Action=DescribeIt&Version=2027-01-01&Color=red", "brandnew.amazonaws.com",
	  "DescribeIt", "{\"color\":\"" REDACT_HIDDEN "\"}", true, CATEGORY_MANAGEMENT },
	{ "GET https://bedrock.eu-west-1.amazonaws.com/foundation-models?x=y", SIGNED("bedrock"), NULL, "bedrock.amazonaws.com", "GET /foundation-models",
	  "{\"x\":\"" REDACT_HIDDEN "\"}", true, CATEGORY_MANAGEMENT },
};

static void each_protocol(void)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		describe(rows[i].request, rows[i].fields, rows[i].body, 200, NULL, NULL);
		ok_str(m.out.event_type, "AwsApiCall");
		ok_str(OUT(event_source), rows[i].source);
		ok_str(OUT(event_name), rows[i].name);
		ok_str(OUT(request_parameters), rows[i].parameters);
		ok_int(m.out.read_only, rows[i].read_only);
		ok_int(m.out.category, rows[i].category);
	}
}

/* ---- S3 */

static const struct {
	const char *request, *also, *name;	/* also: fields beside the signature */
} s3_rows[] = {
	{ "GET /", "", "ListBuckets" }, { "GET /b", "", "ListObjects" }, { "GET /b/?list-type=2&prefix=x", "", "ListObjects" },
	{ "PUT /b", "", "CreateBucket" }, { "DELETE /b", "", "DeleteBucket" }, { "HEAD /b", "", "HeadBucket" }, { "POST /b", "", "PostObject" },
	{ "GET /b/k", "", "GetObject" }, { "HEAD /b/k", "", "HeadObject" }, { "PUT /b/k/l", "", "PutObject" }, { "DELETE /b/k", "", "DeleteObject" },
	{ "PUT /b/k", "x-amz-copy-source: o/k\n", "CopyObject" }, { "POST /b?delete", "", "DeleteObjects" },
	{ "POST /b/k?uploads", "", "CreateMultipartUpload" }, { "GET /b?uploads", "", "ListMultipartUploads" },
	{ "PUT /b/k?partNumber=1&uploadId=u", "", "UploadPart" }, { "PUT /b/k?partNumber=1&uploadId=u", "x-amz-copy-source: o/k\n", "UploadPartCopy" },
	{ "GET /b/k?uploadId=u", "", "ListParts" }, { "POST /b/k?uploadId=u", "", "CompleteMultipartUpload" },
	{ "DELETE /b/k?uploadId=u", "", "AbortMultipartUpload" },
	{ "GET /b?acl", "", "GetBucketAcl" }, { "PUT /b?acl", "", "PutBucketAcl" }, { "GET /b/k?acl", "", "GetObjectAcl" }, { "PUT /b/k?acl", "", "PutObjectAcl" },
	{ "GET /b?tagging", "", "GetBucketTagging" }, { "PUT /b?tagging", "", "PutBucketTagging" }, { "DELETE /b?tagging", "", "DeleteBucketTagging" },
	{ "GET /b/k?tagging", "", "GetObjectTagging" }, { "PUT /b/k?tagging", "", "PutObjectTagging" }, { "DELETE /b/k?tagging", "", "DeleteObjectTagging" },
	{ "GET /b?policy", "", "GetBucketPolicy" }, { "PUT /b?policy", "", "PutBucketPolicy" }, { "DELETE /b?policy", "", "DeleteBucketPolicy" },
	{ "GET /b?policyStatus", "", "GetBucketPolicyStatus" }, { "GET /b?versioning", "", "GetBucketVersioning" }, { "PUT /b?versioning", "", "PutBucketVersioning" },
	{ "GET /b?versions", "", "ListObjectVersions" }, { "GET /b?location", "", "GetBucketLocation" }, { "GET /b?logging", "", "GetBucketLogging" },
	{ "PUT /b?logging", "", "PutBucketLogging" }, { "GET /b?lifecycle", "", "GetBucketLifecycle" }, { "PUT /b?lifecycle", "", "PutBucketLifecycle" },
	{ "DELETE /b?lifecycle", "", "DeleteBucketLifecycle" }, { "GET /b?cors", "", "GetBucketCors" }, { "PUT /b?cors", "", "PutBucketCors" },
	{ "DELETE /b?cors", "", "DeleteBucketCors" }, { "GET /b?encryption", "", "GetBucketEncryption" }, { "PUT /b?encryption", "", "PutBucketEncryption" },
	{ "DELETE /b?encryption", "", "DeleteBucketEncryption" }, { "GET /b?replication", "", "GetBucketReplication" },
	{ "PUT /b?replication", "", "PutBucketReplication" }, { "DELETE /b?replication", "", "DeleteBucketReplication" },
	{ "GET /b?website", "", "GetBucketWebsite" }, { "PUT /b?website", "", "PutBucketWebsite" }, { "DELETE /b?website", "", "DeleteBucketWebsite" },
	{ "GET /b?notification", "", "GetBucketNotification" }, { "PUT /b?notification", "", "PutBucketNotification" },
	{ "GET /b?requestPayment", "", "GetBucketRequestPayment" }, { "PUT /b?requestPayment", "", "PutBucketRequestPayment" },
	{ "GET /b?accelerate", "", "GetAccelerateConfiguration" }, { "PUT /b?accelerate", "", "PutAccelerateConfiguration" },
	{ "GET /b?analytics&id=1", "", "GetBucketAnalyticsConfiguration" }, { "GET /b?analytics", "", "ListBucketAnalyticsConfigurations" },
	{ "PUT /b?analytics&id=1", "", "PutBucketAnalyticsConfiguration" }, { "DELETE /b?analytics&id=1", "", "DeleteBucketAnalyticsConfiguration" },
	{ "GET /b?inventory&id=1", "", "GetBucketInventoryConfiguration" }, { "GET /b?inventory", "", "ListBucketInventoryConfigurations" },
	{ "PUT /b?inventory&id=1", "", "PutBucketInventoryConfiguration" }, { "DELETE /b?inventory&id=1", "", "DeleteBucketInventoryConfiguration" },
	{ "GET /b?metrics&id=1", "", "GetBucketMetricsConfiguration" }, { "GET /b?metrics", "", "ListBucketMetricsConfigurations" },
	{ "PUT /b?metrics&id=1", "", "PutBucketMetricsConfiguration" }, { "DELETE /b?metrics&id=1", "", "DeleteBucketMetricsConfiguration" },
	{ "GET /b?intelligent-tiering&id=1", "", "GetBucketIntelligentTieringConfiguration" },
	{ "GET /b?intelligent-tiering", "", "ListBucketIntelligentTieringConfigurations" },
	{ "PUT /b?intelligent-tiering&id=1", "", "PutBucketIntelligentTieringConfiguration" },
	{ "DELETE /b?intelligent-tiering&id=1", "", "DeleteBucketIntelligentTieringConfiguration" },
	{ "GET /b?ownershipControls", "", "GetBucketOwnershipControls" }, { "PUT /b?ownershipControls", "", "PutBucketOwnershipControls" },
	{ "DELETE /b?ownershipControls", "", "DeleteBucketOwnershipControls" }, { "GET /b?publicAccessBlock", "", "GetBucketPublicAccessBlock" },
	{ "PUT /b?publicAccessBlock", "", "PutBucketPublicAccessBlock" }, { "DELETE /b?publicAccessBlock", "", "DeleteBucketPublicAccessBlock" },
	{ "GET /b?object-lock", "", "GetBucketObjectLockConfiguration" }, { "PUT /b?object-lock", "", "PutBucketObjectLockConfiguration" },
	{ "GET /b/k?legal-hold", "", "GetObjectLegalHold" }, { "PUT /b/k?legal-hold", "", "PutObjectLegalHold" }, { "GET /b/k?retention", "", "GetObjectRetention" },
	{ "PUT /b/k?retention", "", "PutObjectRetention" }, { "GET /b/k?torrent", "", "GetObjectTorrent" }, { "GET /b/k?attributes", "", "GetObjectAttributes" },
	{ "POST /b/k?restore", "", "RestoreObject" }, { "POST /b/k?select&select-type=2", "", "SelectObjectContent" }, { "GET /b?session", "", "CreateSession" },
	{ "PUT /b/k?renameObject", "", "RenameObject" }, { "POST /b?metadataTable", "", "CreateBucketMetadataTableConfiguration" },
	{ "POST /WriteGetObjectResponse", "", "WriteGetObjectResponse" }, { "OPTIONS /b/k", "", "PreflightRequest" }, { "PATCH /b/k", "", "PATCH /{bucket}/{key}" },
};

static void each_subresource_of_s3(void)
{
	char request[256], fields[512];

	for (unsigned i = 0; i < sizeof(s3_rows) / sizeof(s3_rows[0]); i++) {
		const char *path = strchr(s3_rows[i].request, ' ') + 1;

		snprintf(request, sizeof(request), "%.*shttps://s3.amazonaws.com%s", (int)(path - s3_rows[i].request), s3_rows[i].request, path);
		snprintf(fields, sizeof(fields), "%s%s", s3_rows[i].also, SIGNED("s3"));
		describe(request, fields, NULL, 200, NULL, NULL);
		ok_str(OUT(event_source), "s3.amazonaws.com");
		ok_str(OUT(event_name), s3_rows[i].name);
	}
}

static void hosts_of_s3(void)
{
	static const struct {
		const char *request, *parameters;
	} hosts[] = {
		{ "GET https://b.s3.eu-west-1.amazonaws.com/k%20x", "{\"bucketName\":\"b\",\"key\":\"k x\",\"Host\":\"b.s3.eu-west-1.amazonaws.com\"}" },
		{ "GET https://a.b.s3-us-west-2.amazonaws.com/k", "{\"bucketName\":\"a.b\",\"key\":\"k\",\"Host\":\"a.b.s3-us-west-2.amazonaws.com\"}" },
		{ "GET https://b.s3.dualstack.eu-west-1.amazonaws.com/k", "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"b.s3.dualstack.eu-west-1.amazonaws.com\"}" },
		{ "GET https://b.s3-accelerate.amazonaws.com/k", "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"b.s3-accelerate.amazonaws.com\"}" },
		{ "GET https://b.s3.cn-north-1.amazonaws.com.cn/k", "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"b.s3.cn-north-1.amazonaws.com.cn\"}" },
		{ "GET https://ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/k",
		  "{\"bucketName\":\"ap-123456789012\",\"key\":\"k\",\"Host\":\"ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com\"}" },
		{ "GET https://bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com/b/k",
		  "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com\"}" },
		{ "GET https://b.bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com/k",
		  "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"b.bucket.vpce-1a-2b.s3.eu-west-1.vpce.amazonaws.com\"}" },
		{ "GET https://minio.test:9000/b/k", "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"minio.test:9000\"}" },
		{ "GET https://b.s3.localhost.localstack.cloud:4566/k", "{\"bucketName\":\"b\",\"key\":\"k\",\"Host\":\"b.s3.localhost.localstack.cloud:4566\"}" },
	};

	for (unsigned i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		describe(hosts[i].request, SIGNED("s3"), NULL, 200, NULL, NULL);
		ok_str(OUT(event_name), "GetObject");
		ok_str(OUT(request_parameters), hosts[i].parameters);
		ok_int(m.out.category, CATEGORY_DATA);
	}
	callmake(&m, "POST https://vpce-1a-2b.monitoring.eu-west-1.vpce.amazonaws.com/", FORM, "Action=ListMetrics&Version=2010-08-01", 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok_str(OUT(event_source), "monitoring.amazonaws.com");
	ok_str(OUT(event_name), "ListMetrics");
	ok_str(OUT(region), "eu-west-1");
	/* without a signature, as for what is public */
	describe("GET https://public.s3.amazonaws.com/k", NULL, NULL, 200, NULL, NULL);
	ok_str(OUT(event_name), "GetObject");
	ok(!m.out.access_key.p);
}

static void s3_has_resources_and_details(void)
{
	describe("PUT https://s3.eu-west-1.amazonaws.com/b/k/l",
		 "x-amz-acl: private\nx-amz-meta-x: content\nx-amz-server-side-encryption-customer-key: c2VjcmV0\nx-amz-security-token: tok\n" SIGNED("s3"), "body", 200,
		 "x-amz-request-id: R1\nx-amz-id-2: two\nx-amz-server-side-encryption: AES256\nx-amz-version-id: v1\netag: e", NULL);
	ok_str(OUT(request_parameters), "{\"bucketName\":\"b\",\"key\":\"k/l\",\"Host\":\"s3.eu-west-1.amazonaws.com\",\"x-amz-acl\":\"private\","
					"\"x-amz-server-side-encryption-customer-key\":\"" REDACT_HIDDEN "\"}");
	ok_str(OUT(response_elements), "{\"x-amz-server-side-encryption\":\"AES256\",\"x-amz-version-id\":\"v1\"}");
	ok_str(OUT(additional), "{\"httpVersion\":\"1.1\",\"httpStatus\":200,\"bytesTransferredIn\":4,\"authorizationScheme\":\"AWS4-HMAC-SHA256\","
				"\"SignatureVersion\":\"SigV4\",\"AuthenticationMethod\":\"AuthHeader\",\"x-amz-id-2\":\"two\"}");
	ok_str(OUT(request_id), "R1");
	must(m.out.nresources == 2);
	ok_str(OUT(resources[0].arn), "arn:aws:s3:::b/k/l");
	ok_str(OUT(resources[0].type), "AWS::S3::Object");
	ok_str(OUT(resources[1].arn), "arn:aws:s3:::b");
	ok_str(OUT(resources[1].type), "AWS::S3::Bucket");
	ok(!m.call.request.body.prefix.n);	/* of an object's bytes none are wanted */
}

static void configurations_of_s3(void)
{
	describe("PUT https://b.s3.amazonaws.com/?versioning", SIGNED("s3"),
		 "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>", 200, NULL, NULL);
	ok_str(OUT(request_parameters), "{\"bucketName\":\"b\",\"Host\":\"b.s3.amazonaws.com\",\"versioning\":\"\",\"VersioningConfiguration\":{\"Status\":\"Enabled\"}}");
	describe("PUT https://b.s3.amazonaws.com/?policy", SIGNED("s3"), "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"}]}", 204, NULL, NULL);
	ok_str(OUT(request_parameters), "{\"bucketName\":\"b\",\"Host\":\"b.s3.amazonaws.com\",\"policy\":\"\","
					"\"bucketPolicy\":{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"}]}}");
	describe("GET https://b.s3.amazonaws.com/?prefix=a%2Fb&max-keys=3&invented=x", SIGNED("s3"), NULL, 200, NULL, NULL);
	ok_str(OUT(request_parameters), "{\"bucketName\":\"b\",\"Host\":\"b.s3.amazonaws.com\",\"prefix\":\"a/b\",\"max-keys\":\"3\",\"invented\":\"" REDACT_HIDDEN "\"}");
}

/* ---- signatures */

static const struct {
	const char *request, *fields, *body, *version, *method, *key, *region, *source, *name;
} signatures[] = {
	{ "GET https://h.test/b/k", "authorization: AWS4-HMAC-SHA256 Credential=ASIAX/20261129/us-gov-west-1/s3/aws4_request,SignedHeaders=host,Signature=0", NULL,
	  "SigV4", "AuthHeader", "ASIAX", "us-gov-west-1", "s3.amazonaws.com", "GetObject" },
	{ "GET https://h.test/b/k", "authorization: AWS4-ECDSA-P256-SHA256 Credential=AKIAX/20261129/s3/aws4_request, SignedHeaders=host, Signature=0\n"
	  "x-amz-region-set: eu-west-1", NULL, "SigV4A", "AuthHeader", "AKIAX", "eu-west-1", "s3.amazonaws.com", "GetObject" },
	{ "GET https://h.test/b/k", "authorization: AWS4-ECDSA-P256-SHA256 Credential=AKIAX/20261129/s3/aws4_request, SignedHeaders=host, Signature=0\n"
	  "x-amz-region-set: *", NULL, "SigV4A", "AuthHeader", "AKIAX", "(absent)", "s3.amazonaws.com", "GetObject" },
	{ "GET https://h.test/b/k", "authorization: AWS AKIAX:c2lnbmF0dXJl", NULL, "SigV2", "AuthHeader", "AKIAX", "(absent)", "s3.amazonaws.com", "GetObject" },
	{ "GET https://h.test/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAX%2F20261129%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0", NULL, NULL,
	  "SigV4", "QueryString", "AKIAX", "eu-west-1", "s3.amazonaws.com", "GetObject" },
	{ "GET https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAX&Expires=1&Signature=c2ln", NULL, NULL, "SigV2", "QueryString", "AKIAX", "(absent)", "s3.amazonaws.com",
	  "GetObject" },
	{ "POST https://sdb.amazonaws.com/", FORM, "Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=AKIAX&SignatureVersion=2&Signature=c2ln", "SigV2",
	  "QueryString", "AKIAX", "us-east-1", "sdb.amazonaws.com", "ListDomains" },
	{ "POST https://sdb.eu-west-1.amazonaws.com/", FORM, "Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=AKIAX&SignatureVersion=2&Signature=c2ln", "SigV2",
	  "QueryString", "AKIAX", "eu-west-1", "sdb.amazonaws.com", "ListDomains" },
	{ "GET https://sdb.eu-west-1.amazonaws.com/?Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=AKIAX&SignatureVersion=2&Signature=c2ln", NULL, NULL, "SigV2",
	  "QueryString", "AKIAX", "eu-west-1", "sdb.amazonaws.com", "ListDomains" },
	/* elsewhere: the version says which service it is, and a form is looked at if an SDK sent it */
	{ "GET https://h.test/?Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=AKIAX&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=c2ln", NULL, NULL,
	  "SigV2", "QueryString", "AKIAX", "(absent)", "sdb.amazonaws.com", "ListDomains" },
	{ "POST https://h.test:4566/", FORM SDK, "Action=ListDomains&Version=2009-04-15&AWSAccessKeyId=AKIAX&SignatureVersion=2&SignatureMethod=HmacSHA256"
	  "&Timestamp=2026-11-30T00%3A00%3A00Z&SecurityToken=c2ln&Signature=c2ln", "SigV2", "QueryString", "AKIAX", "(absent)", "sdb.amazonaws.com", "ListDomains" },
	{ "POST https://h.test/", FORM "user-agent: aws-sdk-go/1.44", "Action=GetStatus&Version=2010-06-01&JobId=j&AWSAccessKeyId=AKIAX&SignatureVersion=2&Signature=c2ln",
	  "SigV2", "QueryString", "AKIAX", "(absent)", "importexport.amazonaws.com", "GetStatus" },
	{ "POST https://h.test/", FORM SDK, "Action=CreateDBInstance&Version=2014-10-31&AWSAccessKeyId=AKIAX&SignatureVersion=2&Signature=c2ln", "SigV2", "QueryString",
	  "AKIAX", "(absent)", "rds.amazonaws.com", "CreateDBInstance" },
	/* a scope that is called otherwise than the service's model */
	{ "POST https://importexport.amazonaws.com/?Operation=CancelJob", FORM "authorization: AWS4-HMAC-SHA256 Credential=AKIAX/20261129/us-east-1/IngestionService"
	  "/aws4_request,SignedHeaders=host,Signature=0", "Action=CancelJob&Version=2010-06-01&JobId=j", "SigV4", "AuthHeader", "AKIAX", "us-east-1",
	  "importexport.amazonaws.com", "CancelJob" },
	{ "POST https://h.test/?Operation=CancelJob", FORM "authorization: AWS4-HMAC-SHA256 Credential=AKIAX/20261129/us-east-1/IngestionService"
	  "/aws4_request,SignedHeaders=host,Signature=0", "Action=CancelJob&Version=2010-06-01&JobId=j", "SigV4", "AuthHeader", "AKIAX", "us-east-1",
	  "importexport.amazonaws.com", "CancelJob" },
	{ "GET https://h.test/b/k?AWSAccessKeyId=AKIAX&Expires=1&Signature=c2ln", NULL, NULL, "SigV2", "QueryString", "AKIAX", "(absent)", "s3.amazonaws.com",
	  "GetObject" },
	/* no signature at all, but a bearer's token */
	{ "GET https://codecatalyst.global.api.aws/userDetails?id=u", "authorization: Bearer c2ln", NULL, NULL, NULL, "(absent)", "(absent)",
	  "codecatalyst.amazonaws.com", "GetUserDetails" },
	{ "POST https://email.eu-west-1.amazonaws.com/", FORM "x-amzn-authorization: AWS3-HTTPS AWSAccessKeyId=AKIAX, Algorithm=HmacSHA256, Signature=c2ln",
	  "Action=ListIdentities&Version=2010-12-01", "SigV3", "AuthHeader", "AKIAX", "eu-west-1", "ses.amazonaws.com", "ListIdentities" },
	{ "GET https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
	  "AKIAX/20261129/us-east-1/sts/aws4_request&X-Amz-Signature=0", NULL, NULL, "SigV4", "QueryString", "AKIAX", "us-east-1", "sts.amazonaws.com",
	  "GetCallerIdentity" },
};

static void who_signed(void)
{
	char want[128];

	for (unsigned i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		describe(signatures[i].request, signatures[i].fields, signatures[i].body, 200, NULL, NULL);
		ok_str(OUT(access_key), signatures[i].key);
		ok_str(OUT(region), signatures[i].region);
		ok_str(OUT(event_source), signatures[i].source);
		ok_str(OUT(event_name), signatures[i].name);
		snprintf(want, sizeof(want), "\"SignatureVersion\":\"%s\",\"AuthenticationMethod\":\"%s\"", signatures[i].version ?: "", signatures[i].method ?: "");
		ok(!signatures[i].version == !strstr(OUT(additional), "SignatureVersion") && (!signatures[i].version || strstr(OUT(additional), want)));
		ok(!strstr(OUT(request_parameters), "c2ln") && !strstr(OUT(request_parameters), "Signature"));
	}
}

/* SimpleDB and Import/Export, whatever host is called; and what has no signature at all, if an SDK sent it. */
static void forms_tell_themselves(void)
{
	static const char *const hosts[] = { "POST https://sdb.eu-west-1.amazonaws.com/", "POST https://localhost:4566/" };

	for (unsigned i = 0; i < 2; i++) {
		describe(hosts[i], FORM SDK, "Action=PutAttributes&Version=2009-04-15&DomainName=d&ItemName=a%20b&Attribute.1.Name=colour&Attribute.1.Value=red"
			 "&Attribute.1.Replace=true&AWSAccessKeyId=AKIAX&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp=t&SecurityToken=st&Signature=c2ln", 200, NULL, NULL);
		ok_str(OUT(event_source), "sdb.amazonaws.com");
		ok_str(OUT(event_name), "PutAttributes");
		ok_str(OUT(request_parameters), "{\"domainName\":\"d\",\"itemName\":\"a b\",\"attributes\":[{\"name\":\"colour\",\"value\":\"" REDACT_HIDDEN
						"\",\"replace\":true}]}");
		ok(!m.out.read_only && m.out.category == CATEGORY_DATA);
	}
	describe("POST https://localhost:4566/?Operation=CreateJob", FORM SDK, "Action=CreateJob&Version=2010-06-01&JobType=Import&Manifest=m&ValidateOnly=false"
		 "&AWSAccessKeyId=AKIAX&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp=t&Signature=c2ln", 200, NULL,
		 "<CreateJobResponse><CreateJobResult><JobId>j</JobId><Signature>c2ln</Signature></CreateJobResult></CreateJobResponse>");
	ok_str(OUT(request_parameters), "{\"jobType\":\"Import\",\"manifest\":\"" REDACT_HIDDEN "\",\"validateOnly\":false}");
	ok_str(OUT(response_elements), "{\"jobId\":\"j\",\"signature\":\"" REDACT_HIDDEN "\"}");
	describe("POST https://localhost:4566/", FORM SDK, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&WebIdentityToken=eyJx", 200, NULL,
		 "<AssumeRoleWithWebIdentityResponse/>");
	ok_str(OUT(event_source), "sts.amazonaws.com");
	ok_str(OUT(request_parameters), "{\"roleArn\":\"r\",\"webIdentityToken\":\"" REDACT_HIDDEN "\"}");
	ok_str(OUT(access_key), "(absent)");
}

/* An SDK's form that is nobody's operation is read, and then is what it was. */
static void forms_of_others(void)
{
	static const char *const bodies[] = { "user=u&password=p", "Action=Invented&Version=2009-04-15", "Action=ListDomains&Version=2026-01-01", "", NULL,
					      "AWSAccessKeyId=AKIAX&Action=ListDomains" };

	for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct http_wants w;

		callmake(&m, "POST https://example.com/x", FORM SDK, bodies[i], 200, NULL, "answer");
		api_wants(&m.peer, &m.call, &w);
		ok(!bodies[i] || !*bodies[i] || !w.response);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, "http");
		ok_str(OUT(event_name), "POST /x");
	}
	/* nor is a form looked at that no SDK sent, or that is no form */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const fields[] = { FORM "user-agent: curl/7.88", FORM, "content-type: multipart/form-data; boundary=x\n" SDK };
		struct http_wants w;

		callmake(&m, "POST https://example.com/x", fields[i], NULL, 0, NULL, NULL);
		api_wants(&m.peer, &m.call, &w);
		ok(!w.request && !w.response);
	}
}

static void what_is_no_aws_call(void)
{
	static const char *const fields[] = {
		NULL, "authorization: Bearer x", "authorization: AWS4-HMAC-SHA256 nonsense", "authorization: AWS4-HMAC-SHA256 Credential=a/b/c",
		"authorization: AWS4-HMAC-SHA256 Credential=A\"B/20261129/r/s3/aws4_request", "authorization: AWS x", SIGNED("execute-api"), SIGNED("aoss"),
		"x-amz-target: A.B", "content-type: application/x-amz-json-1.1",
	};

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		callmake(&m, "GET https://example.com/x", fields[i], NULL, 200, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, "http");
	}
	callmake(&m, "GET https://ec2-1-2-3-4.compute-1.amazonaws.com/x", NULL, NULL, 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok_str(m.out.rule, "http");
	callmake(&m, "POST https://x.appsync-api.eu-west-1.amazonaws.com/graphql", SIGNED("appsync"), "{}", 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok(strcmp(m.out.rule, "aws"));
}

/* ---- answers and errors */

static const struct {
	const char *request, *fields, *body;
	unsigned status;
	const char *answer_fields, *answer, *code, *message;
} errors[] = {
	{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=GetUser&Version=2010-05-08", 404, NULL,
	  "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no &lt;bob&gt;</Message></Error><RequestId>r1</RequestId></ErrorResponse>",
	  "NoSuchEntity", "no <bob>" },
	{ "POST https://ec2.amazonaws.com/", FORM SIGNED("ec2"), "Action=RunInstances&Version=2016-11-15", 403, NULL,
	  "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors><RequestID>r1</RequestID></Response>",
	  "Client.UnauthorizedOperation", "no" },
	{ "POST https://kms.eu-west-1.amazonaws.com/", "x-amz-target: TrentService.Decrypt\n" JSON11 SIGNED("kms"), "{}", 400, "x-amzn-requestid: r1",
	  "{\"__type\":\"com.amazon#AccessDeniedException:http://x\",\"Message\":\"no\"}", "AccessDeniedException", "no" },
	{ "GET https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/f", SIGNED("lambda"), NULL, 404,
	  "x-amzn-requestid: r1\nx-amzn-errortype: ResourceNotFoundException:http://x/", "{\"Type\":\"User\",\"Message\":\"gone\"}", "ResourceNotFoundException", "gone" },
	{ "GET https://b.s3.amazonaws.com/k", SIGNED("s3"), NULL, 403, "x-amz-request-id: r1", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>",
	  "AccessDenied", "no" },
	{ "GET https://b.s3.amazonaws.com/k", SIGNED("s3"), NULL, 301, "x-amz-request-id: r1", "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>",
	  "PermanentRedirect", "m" },
	{ "HEAD https://b.s3.amazonaws.com/k", SIGNED("s3"), NULL, 404, "x-amz-request-id: r1", NULL, "NotFound", "HTTP status 404" },
	{ "POST https://sqs.eu-west-1.amazonaws.com/", "x-amz-target: AmazonSQS.GetQueueUrl\ncontent-type: application/x-amz-json-1.0\n" SIGNED("sqs"), "{}", 400,
	  "x-amzn-requestid: r1\nx-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender", "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"m\"}",
	  "AWS.SimpleQueueService.NonExistentQueue", "m" },
	{ "POST https://monitoring.eu-west-1.amazonaws.com/service/G/operation/GetMetricData", "smithy-protocol: rpc-v2-cbor\n" SIGNED("monitoring"), NULL, 400,
	  "x-amzn-requestid: r1", "\xa2\x66__type\x65x#Bad\x67message\x61m", "Bad", "m" },
	{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=GetUser&Version=2010-05-08", 503, "x-amzn-requestid: r1", "<html>", "ServiceUnavailable",
	  "HTTP status 503" },
	{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=GetUser&Version=2010-05-08", 400, "x-amzn-requestid: r1",
	  "<!DOCTYPE x [<!ENTITY e \"x\">]><ErrorResponse><Error><Code>&e;</Code></Error></ErrorResponse>", "BadRequest", "HTTP status 400" },
	{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=GetUser&Version=2010-05-08", 400, "x-amzn-requestid: r1\ncontent-encoding: gzip",
	  "<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>", "BadRequest", "HTTP status 400" },
};

static void errors_of_all_protocols(void)
{
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		describe(errors[i].request, errors[i].fields, errors[i].body, errors[i].status, errors[i].answer_fields, errors[i].answer);
		ok_str(OUT(error_code), errors[i].code);
		ok_str(OUT(error_message), errors[i].message);
		ok_str(OUT(request_id), "r1");
		ok_str(OUT(response_elements), "(absent)");
	}
}

static void writes_tell_what_came_of_them(void)
{
	describe("POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=CreateAccessKey&Version=2010-05-08&UserName=bob", 200, NULL,
		 "<CreateAccessKeyResponse xmlns=\"x\"><CreateAccessKeyResult><AccessKey><UserName>bob</UserName><AccessKeyId>AKIA1</AccessKeyId>"
		 "<Status>Active</Status><SecretAccessKey>planted</SecretAccessKey><Invented>planted</Invented></AccessKey></CreateAccessKeyResult>"
		 "<ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></CreateAccessKeyResponse>");
	ok_str(OUT(response_elements), "{\"accessKey\":{\"userName\":\"bob\",\"accessKeyId\":\"AKIA1\",\"status\":\"Active\",\"secretAccessKey\":\"" REDACT_HIDDEN
				       "\",\"invented\":\"" REDACT_HIDDEN "\"}}");
	ok_str(OUT(request_id), "r1");
	/* of token endpoints, and of what only reads, nothing; not a byte is wanted */
	describe("POST https://sts.amazonaws.com/", FORM SIGNED("sts"), "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r", 200, NULL,
		 "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>planted</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>");
	ok_str(OUT(response_elements), "(absent)");
	ok(!m.call.response.body.prefix.n);
	must(m.out.nresources == 1);
	ok_str(OUT(resources[0].arn), "arn:aws:iam::123456789012:role/r");
	ok_str(OUT(resources[0].type), "AWS::IAM::Role");
	ok_str(OUT(resources[0].account), "123456789012");
	describe("POST https://sqs.eu-west-1.amazonaws.com/", "x-amz-target: AmazonSQS.ReceiveMessage\n" JSON11 SIGNED("sqs"),
		 "{\"QueueUrl\":\"https://sqs.eu-west-1.amazonaws.com/123456789012/q\"}", 200, NULL, "{\"Messages\":[{\"Body\":\"planted\"}]}");
	ok_str(OUT(response_elements), "(absent)");
	must(m.out.nresources == 1);
	ok_str(OUT(resources[0].arn), "arn:aws:sqs:eu-west-1:123456789012:q");
	ok_str(OUT(resources[0].type), "AWS::SQS::Queue");
	describe("POST https://secretsmanager.eu-west-1.amazonaws.com/", "x-amz-target: secretsmanager.GetSecretValue\n" JSON11 SIGNED("secretsmanager"),
		 "{\"SecretId\":\"s\"}", 200, NULL, "{\"SecretString\":\"planted\"}");
	ok_str(OUT(request_parameters), "{\"secretId\":\"s\"}");
	ok_str(OUT(response_elements), "(absent)");
	ok(!m.call.response.body.prefix.n);
	describe("POST https://ec2.amazonaws.com/", FORM SIGNED("ec2"), "Action=AuthorizeSecurityGroupEgress&Version=2016-11-15&GroupId=sg-1", 200, NULL,
		 "<AuthorizeSecurityGroupEgressResponse><requestId>r1</requestId><return>true</return><securityGroupRuleSet><item><isEgress>true</isEgress></item>"
		 "</securityGroupRuleSet></AuthorizeSecurityGroupEgressResponse>");
	ok_str(OUT(response_elements), "{\"requestId\":\"r1\",\"_return\":true,\"securityGroupRuleSet\":{\"items\":[{\"isEgress\":true}]}}");
	describe("POST https://cloudtrail.eu-west-1.amazonaws.com/", "x-amz-target: CloudTrail_20131101.CreateTrail\n" JSON11 SIGNED("cloudtrail"), "{\"Name\":\"t\"}", 200, NULL,
		 "{\"Name\":\"t\",\"IsMultiRegionTrail\":true}");
	ok_str(OUT(response_elements), "{\"name\":\"t\",\"isMultiRegionTrail\":true}");
}

/* ---- secrets and broken bodies */

static void secrets_are_hidden_whole(void)
{
	static const struct {
		const char *request, *fields, *body;
	} calls[] = {
		{ "POST https://rds.amazonaws.com/", FORM SIGNED("rds"), "Action=CreateDBInstance&Version=2014-10-31&MasterUserPassword=planted" },
		{ "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), "Action=CreateLoginProfile&Version=2010-05-08&UserName=b&Password=planted" },
		{ "POST https://sns.amazonaws.com/", FORM SIGNED("sns"), "Action=Publish&Version=2010-03-31&Message=planted&Subject=planted&MessageAttributes.entry.1.Name=planted" },
		{ "POST https://ssm.amazonaws.com/", "x-amz-target: AmazonSSM.SendCommand\n" JSON11 SIGNED("ssm"), "{\"Parameters\":{\"commands\":[\"planted\"]}}" },
		{ "POST https://ssm.amazonaws.com/", "x-amz-target: AmazonSSM.PutParameter\n" JSON11 SIGNED("ssm"), "{\"Value\":\"planted\",\"Invented\":\"planted\"}" },
		{ "POST https://secretsmanager.amazonaws.com/", "x-amz-target: secretsmanager.CreateSecret\n" JSON11 SIGNED("secretsmanager"),
		  "{\"SecretString\":\"planted\",\"SecretBinary\":\"planted\"}" },
		{ "POST https://ecs.amazonaws.com/", "x-amz-target: AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition\n" JSON11 SIGNED("ecs"),
		  "{\"containerDefinitions\":[{\"environment\":[{\"name\":\"A\",\"value\":\"planted\"}]}]}" },
		{ "POST https://ec2.amazonaws.com/", FORM SIGNED("ec2"), "Action=RunInstances&Version=2016-11-15&UserData=planted" },
		{ "POST https://cognito-idp.eu-west-1.amazonaws.com/", "x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth\n" JSON11,
		  "{\"AuthParameters\":{\"PASSWORD\":\"planted\",\"USERNAME\":\"planted\"}}" },
		{ "PUT https://b.s3.amazonaws.com/k", "x-amz-server-side-encryption-customer-key: planted\nx-amz-security-token: planted\nx-amz-meta-a: planted\n" SIGNED("s3"), NULL },
		{ "GET https://b.s3.amazonaws.com/k?X-Amz-Security-Token=planted&X-Amz-Signature=planted&token=planted", SIGNED("s3"), NULL },
		/* a token by its form, where the model sees none */
		{ "POST https://events.amazonaws.com/", "x-amz-target: AWSEvents.PutRule\n" JSON11 SIGNED("events"), "{\"Description\":\"ghp_planted0123456789012345678901234567\"}" },
		{ "POST https://new.amazonaws.com/", "x-amz-target: NewThing.Do\n" JSON11 SIGNED("newthing"), "{\"a\":\"planted\"}" },
		/* another type than the model's */
		{ "POST https://iam.amazonaws.com/", "x-amz-target: TrentService.CreateKey\n" JSON11 SIGNED("kms"), "{\"MultiRegion\":\"planted\",\"Tags\":\"planted\",\"Policy\":{\"planted\":1}}" },
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		describe(calls[i].request, calls[i].fields, calls[i].body, 200, NULL, NULL);
		ok(!strstr(OUT(request_parameters), "planted"));
		ok(!strstr(OUT(additional), "planted"));
		if (tap_failed)
			printf("# %s: %s\n", calls[i].request, OUT(request_parameters));
	}
}

/* What only looks as if it told a secret: policies, pairs, and options of others. */
static void what_is_none_is_shown(void)
{
	describe("POST https://iam.amazonaws.com/", FORM SIGNED("iam"),
		 "Action=PutUserPolicy&Version=2010-05-08&UserName=u&PolicyName=p&PolicyDocument=%7B%22Statement%22%3A%5B%7B%22Action%22%3A%22secretsmanager%3AGetSecretValue%22%2C"
		 "%22Condition%22%3A%7B%22DateGreaterThan%22%3A%7B%22aws%3ATokenIssueTime%22%3A%22x%22%7D%7D%7D%5D%7D", 200, NULL, NULL);
	ok(strstr(OUT(request_parameters), "TokenIssueTime"));
	describe("POST https://ecs.eu-west-1.amazonaws.com/", JSON11 "x-amz-target: AmazonEC2ContainerServiceV20141113.RunTask\n" SIGNED("ecs"),
		 "{\"taskDefinition\":\"f:1\",\"tags\":[{\"key\":\"Name\",\"value\":\"a\"}],\"overrides\":{\"containerOverrides\":[{\"command\":[\"x\",\"--password\",\"p\",\"--size\",\"3\"]}]}}",
		 200, NULL, NULL);
	ok_str(OUT(request_parameters), "{\"taskDefinition\":\"f:1\",\"tags\":[{\"key\":\"Name\",\"value\":\"a\"}],\"overrides\":{\"containerOverrides\":[{\"command\":"
					"[\"x\",\"--password\",\"" REDACT_HIDDEN "\",\"--size\",\"3\"]}]}}");
}

static void broken_bodies_give_what_is_whole(void)
{
	static const struct {
		const char *fields, *body, *parameters;
	} bodies[] = {
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "{\"TableName\":\"t\",\"X", "{\"tableName\":\"t\",\"omitted\":true}" },
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "{\"TableName\":\"t", "{\"omitted\":true}" },
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "{\"TableName\":\"a\",\"TableName\":\"b\"}", "{\"tableName\":\"b\"}" },
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "{\"TableName\":[1]}", "{\"omitted\":true}" },
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "[\"TableName\"]", "(absent)" },
		{ "x-amz-target: DynamoDB_20120810.DeleteTable\n" SIGNED("dynamodb"), "nonsense", "(absent)" },
		{ FORM SIGNED("iam"), "Action=DeleteUser&UserName=a%zz&UserName=b&&=&x", "{\"userName\":\"b\",\"x\":\"" REDACT_HIDDEN "\"}" },
		{ FORM SIGNED("iam"), "Action=TagUser&Tags.member.9999999999.Key=a&Tags.member.x.Key=b&Tags=c", "{\"tags\":[]}" },
	};

	for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		describe("POST https://x.test/", bodies[i].fields, bodies[i].body, 200, NULL, NULL);
		ok_str(OUT(request_parameters), bodies[i].parameters);
	}
	/* the last field is not whole when bytes behind it are missing */
	callmake(&m, "POST https://x.test/", FORM SIGNED("iam"), "Action=DeleteUser&UserName=bo", 200, NULL, NULL);
	m.call.flags |= HTTP_BODY_PARTIAL;
	m.call.request.body.length += 100;
	ok_int(callmake_describe(&m), 0);
	ok_str(OUT(event_name), "DeleteUser");
	ok_str(OUT(request_parameters), "{\"omitted\":true}");
}

static void compressed_bodies_are_not_read(void)
{
	describe("POST https://x.test/", "content-encoding: gzip\n" FORM SIGNED("monitoring"), "Action=PutMetricData", 200, NULL, NULL);
	ok_str(OUT(event_source), "monitoring.amazonaws.com");
	ok_str(OUT(request_parameters), "{\"omitted\":true}");
	describe("POST https://x.test/", "content-encoding: gzip\nx-amz-target: TrentService.CreateKey\n" JSON11 SIGNED("kms"), "{\"KeyUsage\":\"x\"}", 200, NULL, NULL);
	ok_str(OUT(event_name), "CreateKey");
	ok_str(OUT(request_parameters), "{\"omitted\":true}");
}

static void nothing_of_a_body(void)
{
	callmake(&m, "POST https://iam.amazonaws.com/", FORM SIGNED("iam"), NULL, 200, NULL, NULL);
	m.call.request.body.length = 500;
	ok_int(callmake_describe(&m), 0);
	ok_str(OUT(event_source), "iam.amazonaws.com");
	ok_str(OUT(event_name), "UnknownOperation");
	ok(!m.out.read_only);
}

static void depth_and_width_are_bounded(void)
{
	static char body[60000];
	size_t n = 0;

	n += (size_t)snprintf(body, sizeof(body), "{\"Item\":");
	while (n < 30000)
		body[n++] = '[';
	body[n] = 0;
	describe("POST https://x.test/", "x-amz-target: DynamoDB_20120810.PutItem\n" SIGNED("dynamodb"), body, 200, NULL, NULL);
	ok(strstr(OUT(request_parameters), "omitted"));
	n = (size_t)snprintf(body, sizeof(body), "Action=TagUser");
	while (n < sizeof(body) - 64)
		n += (size_t)snprintf(body + n, 64, "&Tags.member.%zu.Key=k", n);
	describe("POST https://x.test/", FORM SIGNED("iam"), body, 200, NULL, NULL);
	ok(m.out.request_parameters.n < API_JSON_MAX && strstr(OUT(request_parameters), "omitted"));
	n = (size_t)snprintf(body, sizeof(body), "Action=TagUser&");
	while (n < 40000)
		n += (size_t)snprintf(body + n, 3, "a.");
	describe("POST https://x.test/", FORM SIGNED("iam"), body, 200, NULL, NULL);
	ok(strstr(OUT(request_parameters), "omitted"));
}

static size_t in_use(void)
{
	struct mallinfo2 i = mallinfo2();

	return i.uordblks + i.hblkhd;
}

/* Bodies that are made to take memory: each many times over, as one connection may send them. */
static void memory_is_bounded(void)
{
	static const struct {
		const char *fields, *begin, *part, *end;
	} bodies[] = {
		{ "smithy-protocol: rpc-v2-cbor\n" SIGNED("monitoring"), "\xbf", "\x7f\xff\x7f\xff", "\xff" },
		{ "smithy-protocol: rpc-v2-cbor\n" SIGNED("monitoring"), "\xbf\x61" "a\x9f", "\xbf\xff", "\xff\xff" },
		{ "x-amz-target: AmazonSSM.DeleteParameters\n" JSON11 SIGNED("ssm"), "{\"Names\":[1", ",[[[[]]]]", "]}" },
		{ "x-amz-target: AmazonSSM.DeleteParameters\n" JSON11 SIGNED("ssm"), "{\"Names\":[1", ",\"\\u0001\"", "]}" },
		{ FORM SIGNED("iam"), "Action=TagUser", "&Tags.member.1.1.1.1.1=%41", "" },
		{ FORM SIGNED("cloudformation"), "<a>", "<b c=\"\"/>", "</a>" },
	};
	static char body[64000];

	for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		size_t n = (size_t)snprintf(body, sizeof(body), "%s", bodies[i].begin), before = in_use();

		while (n + strlen(bodies[i].part) + 8 < sizeof(body))
			n += (size_t)snprintf(body + n, sizeof(body) - n, "%s", bodies[i].part);
		snprintf(body + n, sizeof(body) - n, "%s", bodies[i].end);
		callmake(&m, "POST https://x.test/service/G/operation/PutMetricData", bodies[i].fields, body, 200, NULL, NULL);
		ok_int(callmake_describe(&m), 0);
		ok(in_use() < before + (8 << 20));
	}
}

static const struct tap_case cases[] = {
	CASE(each_protocol),
	CASE(each_subresource_of_s3),
	CASE(hosts_of_s3),
	CASE(s3_has_resources_and_details),
	CASE(configurations_of_s3),
	CASE(who_signed),
	CASE(forms_tell_themselves),
	CASE(forms_of_others),
	CASE(what_is_no_aws_call),
	CASE(errors_of_all_protocols),
	CASE(writes_tell_what_came_of_them),
	CASE(secrets_are_hidden_whole), CASE(what_is_none_is_shown),
	CASE(broken_bodies_give_what_is_whole),
	CASE(compressed_bodies_are_not_read),
	CASE(nothing_of_a_body),
	CASE(depth_and_width_are_bounded),
	CASE(memory_is_bounded),
};
TAP_MAIN(cases)
