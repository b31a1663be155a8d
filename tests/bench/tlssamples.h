/* SPDX-License-Identifier: Apache-2.0 */
/* tlssamples.h - API calls as programs make them. "%08x" in a field's value and "%u" in a target: another one each time. */
#ifndef HOSTTRAIL_TESTS_TLSSAMPLES_H
#define HOSTTRAIL_TESTS_TLSSAMPLES_H

#include <stdbool.h>
#include <stddef.h>

struct sample {
	const char *kind;
	bool h2;
	const char *method, *host, *target;
	const char *const *ask;			/* name, value, ..., NULL; and the answer's */
	const char *body;
	const char *status;
	const char *const *answer;
	const char *answer_body;
};

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SIGNED(scope, signs) \
	"X-Amz-Date", "20261129T060000Z", "Authorization", \
	"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261129/eu-west-1/" scope "/aws4_request, SignedHeaders=" signs \
	", Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
#define BOTO "User-Agent", "Boto3/1.26.27 Python/3.11.2 Linux/6.1.0-42-amd64 Botocore/1.29.27"
#define CLI(command) "User-Agent", "aws-cli/2.9.19 Python/3.11.2 Linux/6.1.0 exe/x86_64.debian.12 prompt/off command/" command
#define RETRY "amz-sdk-invocation-id", "%08x-6f3a-4f4e-9a43-0123456789ab", "amz-sdk-request", "attempt=1"
#define REQUEST_ID "x-amzn-RequestId", "%08x-1234-4321-9876-0123456789ab", "Date", "Sun, 29 Nov 2026 06:00:00 GMT"
#define S3_ID "x-amz-id-2", "Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==", "x-amz-request-id", "%08x0C05CD1E", \
	"Date", "Sun, 29 Nov 2026 06:00:00 GMT", "Server", "AmazonS3"
#define KUBE "Accept", "application/json, */*", "User-Agent", "kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19", \
	"Authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZGVmYXVsdDpjaSJ9.c2ln"
#define KUBE_ANSWER "Audit-Id", "%08x-7a5d-4c0e-8d5a-0123456789ab", "Cache-Control", "no-cache, private", \
	"Content-Type", "application/json", "Date", "Sun, 29 Nov 2026 06:00:00 GMT"

static const struct sample samples[] = {
	{ "aws-json", false, "POST", "dynamodb.eu-west-1.amazonaws.com", "/",
	  FIELDS("X-Amz-Target", "DynamoDB_20120810.PutItem", "Content-Type", "application/x-amz-json-1.0", BOTO,
		 SIGNED("dynamodb", "content-type;host;x-amz-date;x-amz-target"), RETRY),
	  "{\"TableName\":\"orders\",\"Item\":{\"id\":{\"S\":\"0123456789\"},\"total\":{\"N\":\"42\"},\"note\":{\"S\":\"a note that is not short\"}},"
	  "\"ConditionExpression\":\"attribute_not_exists(id)\",\"ReturnConsumedCapacity\":\"TOTAL\"}",
	  "200 OK", FIELDS("Server", "Server", REQUEST_ID, "Content-Type", "application/x-amz-json-1.0", "x-amz-crc32", "2745614147"),
	  "{\"ConsumedCapacity\":{\"TableName\":\"orders\",\"CapacityUnits\":1.0}}" },
	{ "aws-query", false, "POST", "ec2.eu-west-1.amazonaws.com", "/",
	  FIELDS("Content-Type", "application/x-www-form-urlencoded; charset=utf-8", CLI("ec2.describe-instances"),
		 SIGNED("ec2", "content-type;host;x-amz-date")),
	  "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1234567890abcdef0&Filter.1.Name=instance-state-name&Filter.1.Value.1=running"
	  "&Filter.2.Name=tag%3AName&Filter.2.Value.1=web&MaxResults=100",
	  "200 OK", FIELDS(REQUEST_ID, "Content-Type", "text/xml;charset=UTF-8", "Cache-Control", "no-cache, no-store", "Vary", "accept-encoding"),
	  "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>"
	  "8f7724cf-496f-496e-8fe3-example</requestId><reservationSet><item><reservationId>r-1234567890abcdef0</reservationId></item></reservationSet>"
	  "</DescribeInstancesResponse>" },
	{ "aws-rest-json", false, "POST", "lambda.eu-west-1.amazonaws.com", "/2015-03-31/functions/worker-%u/invocations?Qualifier=live",
	  FIELDS("X-Amz-Invocation-Type", "Event", "Content-Type", "application/json", BOTO, SIGNED("lambda", "host;x-amz-date"), RETRY),
	  "{\"job\":17,\"what\":\"resize\"}",
	  "202 Accepted", FIELDS(REQUEST_ID, "X-Amzn-Trace-Id", "root=1-5759e988-bd862e3fe1be46a994272793;sampled=0"), "" },
	{ "s3-get", false, "GET", "photos.s3.eu-west-1.amazonaws.com", "/2026/11/%u.jpg",
	  FIELDS(BOTO, "X-Amz-Content-SHA256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		 SIGNED("s3", "host;x-amz-content-sha256;x-amz-date"), RETRY), "",
	  "200 OK", FIELDS(S3_ID, "Last-Modified", "Sun, 29 Nov 2026 05:00:00 GMT", "ETag", "\"9b2cf535f27731c974343645a3985328\"",
			   "Accept-Ranges", "bytes", "Content-Type", "image/jpeg"), "0123456789abcdef" },
	{ "s3-put", false, "PUT", "photos.s3.eu-west-1.amazonaws.com", "/2026/11/%u.jpg",
	  FIELDS(BOTO, "X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD", "x-amz-server-side-encryption", "aws:kms", "Content-Type", "image/jpeg",
		 SIGNED("s3", "host;x-amz-content-sha256;x-amz-date"), RETRY), "0123456789abcdef",
	  "200 OK", FIELDS(S3_ID, "ETag", "\"9b2cf535f27731c974343645a3985328\""), "" },
	{ "kube-list", false, "GET", "10.96.0.1", "/api/v1/namespaces/default/pods?limit=500&labelSelector=app%%3Dweb-%u",
	  FIELDS(KUBE), "", "200 OK", FIELDS(KUBE_ANSWER),
	  "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"12345\"},\"items\":[]}" },
	{ "kube-create", true, "POST", "10.96.0.1", "/apis/apps/v1/namespaces/default/deployments?fieldManager=kubectl-%u",
	  FIELDS(KUBE, "Content-Type", "application/json"),
	  "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"},\"spec\":{\"replicas\":3}}",
	  "201 Created", FIELDS(KUBE_ANSWER), "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"web\"}}" },
	{ "kube-get", true, "GET", "10.96.0.1", "/apis/apps/v1/namespaces/default/deployments/web-%u",
	  FIELDS(KUBE), "", "200 OK", FIELDS(KUBE_ANSWER), "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"web\"}}" },
	{ "get", false, "GET", "api.example.com", "/v2/customers/%u/orders?state=open&page=2",
	  FIELDS("User-Agent", "curl/7.88.1", "Accept", "*/*", "Authorization", "Bearer 0123456789abcdef0123456789abcdef"), "",
	  "200 OK", FIELDS("Server", "nginx/1.22.1", "Date", "Sun, 29 Nov 2026 06:00:00 GMT", "Content-Type", "application/json",
			   "X-Request-Id", "%08x", "Connection", "keep-alive"), "{\"orders\":[],\"next\":null}" },
	{ "get-h2", true, "GET", "api.example.com", "/v2/customers/%u/orders?state=open&page=2",
	  FIELDS("User-Agent", "curl/7.88.1", "Accept", "*/*", "Authorization", "Bearer 0123456789abcdef0123456789abcdef"), "",
	  "200 OK", FIELDS("Server", "nginx/1.22.1", "Date", "Sun, 29 Nov 2026 06:00:00 GMT", "Content-Type", "application/json",
			   "X-Request-Id", "%08x"), "{\"orders\":[],\"next\":null}" },
};

#endif
