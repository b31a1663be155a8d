/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_aws.c - AWS calls by hand: one of each protocol and kind, signatures, S3's subresources, errors, secrets, broken bodies. */
#include "agent/api/rules.h"
#include "callmake.h"
#include "tests/tap.h"

static struct callmake m;

#define SIGNED(service) "authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261129/eu-west-1/" service \
	"/aws4_request, SignedHeaders=host, Signature=0123456789abcdef\n"
#define FORM "content-type: application/x-www-form-urlencoded; charset=utf-8\n"
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
	  "{\"instanceIds\":[\"i-a\",\"i-b\"],\"filters\":[{\"name\":\"vpc-id\",\"values\":[\"vpc-1\"]}],\"maxResults\":5,\"dryRun\":false}", true,
	  CATEGORY_MANAGEMENT },
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

static const struct tap_case cases[] = {
	CASE(each_protocol),
};
TAP_MAIN(cases)
